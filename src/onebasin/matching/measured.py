"""Matching of sine networks by what every layer of the reference reads, measured on data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.matching.capture import activations
from onebasin.matching.signed import Scores, Signed, Units, bias_gaps, circular
from onebasin.matching.signed_descent import Problem
from onebasin.symmetry.axes import Entry
from onebasin.symmetry.dihedral import Dihedral, biases
from onebasin.symmetry.permutation import permute
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of what a layer of the reference reads, float64.

    Args:
        mean: Mean of every input, ``[*models fan]``.
        covariance: Covariance of every two, ``[*models fan fan]``.
    """

    mean: Float[Tensor, "*models fan"]
    covariance: Float[Tensor, "*models fan fan"]


@torch.no_grad()
def measure_moments(
    network: nn.Module, spec: Spec, ref: State, x: Float[Tensor, "samples fan"]
) -> dict[str, Moments]:
    """Moments of the inputs of every layer of the reference, on data.

    Args:
        network: The kind of network.
        spec: The groups; the second axis of a weight says what it reads, ``None`` the data.
        ref: One network, or a stack.
        x: The data, which all networks share.

    Returns:
        For each weight that carries a group the moments of its inputs.

    Raises:
        InputError: if the activations cannot be read.
    """
    models = spec.models(ref)
    lead = () if models is None else (models,)
    seen: dict[Entry, Tensor] = {None: x.expand(*lead, *x.shape)}
    seen.update(activations(network, spec, ref, x, "post").items())
    wanted = {name: on[1] for name, on in spec.axes.items() if len(on) == 2 and any(on)}
    found = {source: _moments(seen[source]) for source in dict.fromkeys(wanted.values())}
    return {name: found[source] for name, source in wanted.items()}


def _moments(values: Float[Tensor, "*models samples fan"]) -> Moments:
    values = values.double()
    mean = values.mean(-2)
    centred = values - mean.unsqueeze(-2)
    return Moments(mean, centred.mT @ centred / values.shape[-2])


@dataclass
class MeasuredProblem(Problem):
    r"""Pairs compared by the expected square of the change of every pre-activation.

    .. math:: -\tfrac12 \sum_\ell \mathrm{tr}\, \Delta_\ell C_\ell \Delta_\ell^T
              + \beta \| \Delta_\ell \mu_\ell + \Delta b_\ell \|^2,
              \qquad \Delta_\ell = W^A_\ell - W^{gB}_\ell,

    with mean and covariance of the inputs of layer :math:`\ell` of ref; the second part on the
    circle, and without biases for a layer whose units stay. The square makes it quadratic in the
    signs and places of a layer's inputs: an assignment sees the diagonal of its curvature only, and
    is taken if the objective itself rises.

    Args:
        moments: For each weight the moments of its inputs, with a leading dimension of pairs.
    """

    moments: Mapping[str, Moments]

    def __post_init__(self) -> None:
        self.biases = biases(self.spec)
        self.count = len(next(iter(self.ref.values())))
        self.above = {name: _group(self.spec.axes[name][0]) for name in self.moments}
        self.into = {group: name for name, group in self.above.items() if group is not None}
        self.scale = {group: self._scale(group) for group in self.spec.groups}
        self.seen = {name: self.ref[name] @ m.covariance for name, m in self.moments.items()}
        self.level = {name: self._mean(name, self.ref[name]) for name in self.moments}
        for group, bias in self.biases.items():
            self.level[self.into[group]] = self.level[self.into[group]] + self.ref[bias]

    def restart(self) -> None:
        """Nothing is kept from one descent to the next."""

    def objective(self, at: Signed) -> Float[Tensor, " pairs"]:
        """Minus half the expected square of the change."""
        every = torch.arange(self.count, device=next(iter(self.ref.values())).device)
        return torch.stack([self._share(name, at, every) for name in self.moments]).sum(0)

    def incoming(self, group: str, at: Signed) -> Scores:
        """Scores of one group of all pairs by what comes in alone."""
        every = torch.arange(self.count, device=self.level[self.into[group]].device)
        return self._incoming(group, at, every)

    def scores(self, group: str, at: Signed, chosen: Int[Tensor, " pairs"]) -> Scores:
        """Scores of one group, with the diagonal of the curvature of the layers above."""
        found = self._incoming(group, at, chosen)
        outer, free = torch.zeros_like(found.inner), torch.zeros_like(found.inner)
        for above, moments in self.moments.items():
            if self.spec.axes[above][1] == group:
                weight = self._moved(above, at, chosen, still=group)
                square = moments.covariance.diagonal(dim1=-2, dim2=-1)
                square = (square + self.bias * moments.mean.square())[chosen].unsqueeze(-1)
                outer += (square * self.ref[above][chosen].mT) @ weight
                free -= square / 2 * weight.square().sum(-2, keepdim=True)
        return replace(found, outer=outer, free=free)

    def _incoming(self, group: str, at: Signed, chosen: Tensor) -> Scores:
        name = self.into[group]
        theirs = self._moved(name, at, chosen, still=group)
        level = self._mean(name, theirs, chosen) + self.other[self.biases[group]][chosen]
        near, far = bias_gaps(self.level[name][chosen], level, self.half)
        inner = self.seen[name][chosen] @ theirs.mT
        return Scores(inner, torch.zeros_like(inner), near, far, self.bias, self.half)

    def gain(
        self,
        scores: Scores,
        group: str,
        at: Signed,
        chosen: Int[Tensor, " pairs"],
        moves: tuple[Units, Units],
    ) -> Float[Tensor, " pairs"]:
        """How much the objective itself rises."""
        names = [name for name in self.moments if group in self.spec.axes[name]]
        values = []
        for units in moves:
            trial = at.changed(group, chosen, units)
            values.append(torch.stack([self._share(n, trial, chosen) for n in names]).sum(0))
        return values[1] - values[0]

    def nearest(self, at: Signed, *, omega: float) -> Dihedral:
        """The elements that bring every unit's mean phase nearest to the reference's."""
        element = at.element(self.spec, omega=omega)
        if self.half is None:
            return element
        moved, shifts = element.act(self.other), {}
        for group, bias in self.biases.items():
            name = self.into[group]
            gap = self.level[name] - self._mean(name, moved[name]) - moved[bias]
            shifts[group] = element.shifts[group] + 2 * (gap / (2 * self.half)).round().long()
        return replace(element, shifts=shifts)

    def _share(self, name: str, at: Signed, chosen: Tensor) -> Float[Tensor, " pairs"]:
        """What one weight and its bias have in the objective."""
        theirs, group = self._moved(name, at, chosen), self.above[name]
        change = self.ref[name][chosen] - theirs
        gap = self.level[name][chosen] - self._mean(name, theirs, chosen)
        if group is not None:
            gap = self._rest(gap, group, at, chosen)
        spread = ((change @ self.moments[name].covariance[chosen]) * change).sum((-1, -2))
        return -(spread + self.bias * gap.square().sum(-1)) / 2

    def _rest(self, gap: Tensor, group: str, at: Signed, chosen: Tensor) -> Tensor:
        """A gap of mean pre-activations less the bias of other, on the circle."""
        bias = self.other[self.biases[group]].gather(-1, at.perms[group])
        gap = gap - (at.inner[group] * bias)[chosen]
        if self.half is None:
            return gap
        odd = (at.inner[group] != at.outer[group])[chosen].double()
        return circular(gap - odd * self.half, self.half)

    def _moved(self, name: str, at: Signed, chosen: Tensor, still: str | None = None) -> Tensor:
        """A weight of the chosen others, moved by every group but ``still``."""
        moved = self.other[name][chosen]
        for axis, group in enumerate(map(_group, self.spec.axes[name])):
            if group is not None and group != still:
                sign = (at.inner if axis == 0 else at.outer)[group][chosen].to(moved)
                moved = permute(moved, at.perms[group][chosen], axis + 1)
                moved = moved * sign.unsqueeze(-1 if axis == 0 else -2)
        return moved

    def _mean(self, name: str, weight: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Mean of what a weight makes of its inputs, ``[pairs units]``."""
        mean = self.moments[name].mean
        mean = mean if chosen is None else mean[chosen]
        return (weight @ mean.unsqueeze(-1)).squeeze(-1)


def _group(entry: Entry) -> str | None:
    """An axis of a plain spec is one group or stays."""
    return entry if isinstance(entry, str) else None


def check_moments(spec: Spec, moments: Mapping[str, Moments], state: State) -> None:
    """Refuse moments that do not belong to the weights of a state.

    Raises:
        InputError: if a weight has none, a shape is wrong, or a group reads two weights.
    """
    weights = [name for name, on in spec.axes.items() if len(on) > 1]
    above = [spec.axes[name][0] for name in weights if spec.axes[name][0] is not None]
    if any(len(spec.axes[name]) > 2 for name in weights) or len(set(above)) < len(above):
        remedy = "measured moments need dense layers, one weight for each group"
        raise InputError("spec", weights, remedy)
    if set(moments) != set(weights):
        raise InputError("moments", sorted(moments), f"needs one entry for each of {weights}")
    models = spec.models(state)
    for name, found in moments.items():
        fan = state[name].shape[-1]
        shape = (fan, fan) if models is None else (models, fan, fan)
        if tuple(found.covariance.shape) != shape or tuple(found.mean.shape) != shape[:-1]:
            remedy = f"must be of the reference, with a covariance of shape {shape}"
            raise InputError(f"moments[{name!r}]", tuple(found.covariance.shape), remedy)
