r"""Statistics correction: give a network between two others the statistics of both.

Half-way between two networks pre-activations vary less than at either end, as the mean of two
unlike signals does, and layer after layer the signal fades. The correction rescales and shifts each
hidden pre-activation until its mean and its standard deviation are the weighted means of the ends'.
It is folded into weights and biases, so that the result is a plain state of the same network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.dense import Dense, affine
from onebasin.networks.inputs import per_model
from onebasin.networks.population import call
from onebasin.symmetry.spec import Spec, State

#: Numbers of one activation worked on at once, for an accelerator and for the caches of a CPU.
_DEVICE_ELEMENTS, _ELEMENTS = 1 << 28, 1 << 22


class Site(NamedTuple):
    """The tensors that make a group's pre-activations: entry i of both belongs to unit i."""

    weight: str
    bias: str


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and standard deviation of every hidden unit's pre-activation over some data.

    Args:
        mean: By group, in the order in which the network computes them; float64.
        std: The same for the standard deviation (divided by the number of samples).
    """

    mean: Mapping[str, Float[Tensor, "*models units"]]
    std: Mapping[str, Float[Tensor, "*models units"]]

    def lerp(self, other: Statistics, lam: float | Tensor) -> Statistics:
        r"""Weighted means :math:`(1-\lambda)\mu_A + \lambda\mu_B`, and so for the deviations."""

        def mix(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {group: _lerp(t, theirs[group], lam) for group, t in mine.items()}

        return Statistics(mix(self.mean, other.mean), mix(self.std, other.std))

    def pick(self, rows: Tensor | slice) -> Statistics:
        """Those of some networks of a stack."""
        mean, std = ({g: t[rows] for g, t in part.items()} for part in (self.mean, self.std))
        return Statistics(mean, std)


@torch.no_grad()
def measure(network: nn.Module, state: State, inputs: Tensor, *, batch: int = 4096) -> Statistics:
    """Statistics of the hidden pre-activations of one network, or of each of a stack.

    Args:
        network: The kind of network; called with ``capture="pre"`` it returns its output and for
            every group the pre-activations ``[*models samples units]``.
        state: Parameters of one network or of a stack.
        inputs: Data ``[samples ...]``, shared, or ``[models samples ...]``.
        batch: Samples run at once; the moments of batches are merged in float64.

    Raises:
        InputError: if there are no data.
    """
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise InputError("inputs", tuple(inputs.shape), "give at least one sample [samples ...]")
    if batch < 1:
        raise InputError("batch", batch, "must be 1 or more samples")
    models = _models(network, state)
    if models is None:
        return _measured(network, state, inputs, batch)
    parts = [
        _measured(network, some, x, batch) for _, some, x in _parts(network, state, inputs, batch)
    ]
    mean = {group: torch.cat([part.mean[group] for part in parts]) for group in parts[0].mean}
    std = {group: torch.cat([part.std[group] for part in parts]) for group in parts[0].std}
    return Statistics(mean, std)


@torch.no_grad()
def correct(
    network: nn.Module,
    state: State,
    target: Statistics,
    inputs: Tensor,
    *,
    sites: Mapping[str, Site] | None = None,
) -> dict[str, Tensor]:
    r"""Rescale and shift every hidden pre-activation of a network to given statistics.

    For each unit, with :math:`\mu, \sigma` measured on the data after all earlier layers have been
    corrected and :math:`\mu^*, \sigma^*` asked for,

    .. math:: w \leftarrow \frac{\sigma^*}{\sigma}\, w, \qquad
              b \leftarrow \mu^* + \frac{\sigma^*}{\sigma} (b - \mu).

    A unit that does not vary is shifted only: no factor would make it vary.

    Source: [jordan2023], §3. There the factors are the work of batch norm layers set in for the
    purpose; here they go into the weights at once.

    Args:
        network: The kind of network; see :func:`measure`.
        state: Parameters of one network or of a stack.
        target: Statistics to give it, for every group that is to be corrected.
        inputs: Data to measure on ``[samples ...]``, shared, or ``[models samples ...]``.
        sites: Where each group's pre-activations are made; by default as :func:`find_sites` says.

    Returns:
        New parameters in the dtype of ``state``; tensors of no site are passed on as they are.

    Raises:
        InputError: if a group has no site, or there are no data.
    """
    models = _models(network, state)
    if isinstance(network, Dense) and sites is None:
        if models is None:
            return _walk(network, state, target, inputs)
        samples = inputs.shape[int(per_model(network, inputs, models))]
        parts = [
            _walk(network, some, target.pick(rows), x)
            for rows, some, x in _parts(network, state, inputs, samples)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in state}
    sites = sites or find_sites(network.spec, target.mean)  # type: ignore[arg-type]
    fixed = dict(state)
    for group in target.mean:
        found = measure(network, fixed, inputs)
        change = _change(found.mean[group], found.std[group], target, group)
        fixed |= _folded(fixed, sites[group], *change)
    return fixed


@torch.no_grad()
def repair(
    network: nn.Module,
    ref: State,
    other: State,
    inputs: Tensor,
    *,
    lam: float | Float[Tensor, " models"] = 0.5,
    sites: Mapping[str, Site] | None = None,
) -> dict[str, Tensor]:
    r"""The network at :math:`\lambda` between two, with the statistics of both.

    The straight line from ``ref`` to ``other`` is left: what this returns is not on it. At
    :math:`\lambda = 0` and 1 it returns the ends themselves.

    Args:
        network: The kind of network.
        ref: Weights at 0, of one network or of a stack.
        other: Weights at 1, already aligned.
        inputs: Data to measure on, labels are not needed.
        lam: Place on the way, or one for each pair of the stack.
        sites: As in :func:`correct`.
    """
    ends = measure(network, ref, inputs), measure(network, other, inputs)
    return repaired(network, (ref, other), ends, inputs, lam=lam, sites=sites)


@torch.no_grad()
def repaired(
    network: nn.Module,
    pair: tuple[State, State],
    ends: tuple[Statistics, Statistics],
    inputs: Tensor,
    *,
    lam: float | Float[Tensor, " models"] = 0.5,
    sites: Mapping[str, Site] | None = None,
) -> dict[str, Tensor]:
    """:func:`repair` of a pair whose ends' statistics are known: for many places on one path."""
    plain = {name: _lerp(tensor, pair[1][name], lam) for name, tensor in pair[0].items()}
    fixed = correct(network, plain, ends[0].lerp(ends[1], lam), inputs, sites=sites)
    at = torch.as_tensor(lam)
    end = (at == 0) | (at == 1)  # no rounding may move an end
    return {name: torch.where(_beside(end, t), t, fixed[name]) for name, t in plain.items()}


def find_sites(spec: Spec, groups: Mapping[str, object] | None = None) -> dict[str, Site]:
    """For each group the layer whose weight and bias make its pre-activations.

    That is the one pair ``NAME.weight`` and ``NAME.bias`` with the group on the first axis of
    both; a normalisation's pair, which has nothing but that axis, goes before the layer's in front.

    Args:
        spec: The groups.
        groups: Those wanted; all by default.

    Raises:
        InputError: if there is no such pair or more than one, as where a skip connection adds.
    """
    found: dict[str, Site] = {}
    for group in groups or spec.groups:
        pairs = [
            Site(name, bias)
            for name, on in spec.axes.items()
            if name.endswith("weight") and on[0] == group
            for bias in [name.removesuffix("weight") + "bias"]
            if spec.axes.get(bias) == (group,)
        ]
        norms = [site for site in pairs if len(spec.axes[site.weight]) == 1]
        best = norms or pairs
        if len(best) != 1:
            names = [site.weight for site in best]
            remedy = f"group {group!r} needs exactly one layer with a bias; pass sites yourself"
            raise InputError("spec", names, remedy)
        found[group] = best[0]
    return found


def _walk(network: Dense, state: State, target: Statistics, inputs: Tensor) -> dict[str, Tensor]:
    """Correct dense layers in one pass over the data, each where the signal stands."""
    fixed, x = dict(state), inputs
    for index, group in enumerate(network.spec.groups):
        site = Site(f"layers.{index}.weight", f"layers.{index}.bias")
        pre = affine(x, state[site.weight], state[site.bias])
        if group in target.mean:
            mean, std, centred = _moments(pre)
            factor, shift = _change(mean, std, target, group)
            fixed |= _folded(fixed, site, factor, shift)
            factor, goal = (t.to(pre).unsqueeze(-2) for t in (factor, target.mean[group]))
            pre = centred.mul_(factor).add_(goal)
        x = network.activation(pre.mul_(network.gain))
    return fixed


def _change(mean: Tensor, std: Tensor, target: Statistics, group: str) -> tuple[Tensor, Tensor]:
    """Factor and shift of every unit's pre-activation, float64."""
    rounding = 1e-6 * mean.abs()
    factor = torch.where(std > rounding, target.std[group] / std, 1.0)
    return factor, target.mean[group] - factor * mean


def _folded(state: State, site: Site, factor: Tensor, shift: Tensor) -> dict[str, Tensor]:
    weight, bias = state[site.weight], state[site.bias]
    wide = factor.reshape(*factor.shape, *[1] * (weight.ndim - factor.ndim))
    return {
        site.weight: (weight.double() * wide).to(weight.dtype),
        site.bias: (bias.double() * factor + shift).to(bias.dtype),
    }


def _measured(network: nn.Module, state: State, inputs: Tensor, batch: int) -> Statistics:
    """Statistics of one network or of as many as are run at once."""
    count: dict[str, int] = {}
    mean: dict[str, Tensor] = {}
    square: dict[str, Tensor] = {}
    models = _models(network, state)
    own = models is not None and per_model(network, inputs, models)
    for part in inputs.split(batch, int(own)):
        for group, pre in call(network, state, part, capture="pre")[1].items():
            here, std, _ = _moments(pre)
            samples = pre.shape[-2]
            old = count.get(group, 0)
            share = samples / (old + samples)
            step = here - mean.get(group, here)
            spread = std.square() * samples + step.square() * (old * share)
            square[group] = square.get(group, torch.zeros_like(std)) + spread
            mean[group] = mean.get(group, here) + step * share
            count[group] = old + samples
    return Statistics(mean, {group: (t / count[group]).sqrt() for group, t in square.items()})


def _moments(pre: Float[Tensor, "*models samples units"]) -> tuple[Tensor, Tensor, Tensor]:
    """Means and deviations (float64), and the pre-activations less their means."""
    mean = pre.mean(-2)  # twice over the data, but far faster than torch.var_mean on this axis
    centred = pre - mean.unsqueeze(-2)
    return mean.double(), centred.square().mean(-2).double().sqrt(), centred


def _parts(
    network: nn.Module, state: State, inputs: Tensor, samples: int
) -> Iterator[tuple[slice, dict[str, Tensor], Tensor]]:
    """A stack in parts whose activations fit the memory at work: rows, networks, their data."""
    models = len(next(iter(state.values())))
    own = per_model(network, inputs, models)
    widest = max(t.shape[1] for t in state.values() if t.ndim > 1)
    room = _ELEMENTS if inputs.device.type == "cpu" else _DEVICE_ELEMENTS
    size = max(1, room // (widest * samples))
    for start in range(0, models, size):
        rows = slice(start, start + size)
        yield rows, {name: t[rows] for name, t in state.items()}, inputs[rows] if own else inputs


def _models(network: nn.Module, state: State) -> int | None:
    name, own = next(iter(network.named_parameters()))
    if name not in state:
        raise InputError("state", sorted(state), f"lacks the network's parameter {name!r}")
    return None if state[name].ndim == own.ndim else len(state[name])


def _lerp(mine: Tensor, theirs: Tensor, lam: float | Tensor) -> Tensor:
    if not mine.is_floating_point():
        return mine
    return torch.lerp(mine, theirs, _beside(lam, mine))


def _beside(lam: float | Tensor, tensor: Tensor) -> Tensor:
    """``lam`` such that it multiplies a tensor, or the networks of a stack one by one."""
    at = torch.as_tensor(lam, device=tensor.device)
    at = at if at.dtype == torch.bool else at.to(tensor.dtype)
    return at.reshape(-1, *[1] * (tensor.ndim - 1)) if at.ndim else at
