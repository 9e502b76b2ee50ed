"""Positive scales of hidden units (ReLU's second symmetry) and the canonical form they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.element import GroupElement, along, check_sizes
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True, eq=False)
class Scaling(GroupElement):
    r"""A positive factor for every unit: incoming weights times s, outgoing weights divided by s.

    Keeps a network whose activation is positively homogeneous, such as ReLU:
    :math:`\mathrm{relu}(s x) = s\,\mathrm{relu}(x)` for :math:`s > 0`.

    Source: [flowweights], §4.1; [ainsworth2023], §4.

    Args:
        spec: The groups.
        scales: For each group its factors, positive and finite, ``[*models units]``.

    Raises:
        InputError: if a group is missing or a factor is not positive and finite.
    """

    kind: ClassVar[str] = "scaling"
    parts: ClassVar[tuple[str, ...]] = ("scales",)

    scales: Mapping[str, Float[Tensor, "*models _"]]

    def __post_init__(self) -> None:
        super().__post_init__()
        for group, scale in self.scales.items():
            if not (scale.is_floating_point() and (torch.isfinite(scale) & (scale > 0)).all()):
                raise InputError(
                    f"scales[{group!r}]",
                    scale.tolist() if scale.numel() <= 16 else tuple(scale.shape),
                    "every factor must be positive and finite; a sign needs its own symmetry",
                )

    @staticmethod
    def identity(spec: Spec, sizes: Mapping[str, int], models: int | None = None) -> Scaling:
        """All factors 1; ``sizes`` as given by :meth:`Spec.sizes`."""
        lead = () if models is None else (models,)
        ones = {group: torch.ones(*lead, sizes[group]).double() for group in spec.groups}
        return Scaling(spec, ones)

    @staticmethod
    def random(
        spec: Spec,
        sizes: Mapping[str, int],
        generator: torch.Generator,
        models: int | None = None,
    ) -> Scaling:
        """Log-normal factors, exp of a standard normal draw from ``generator``, in float64."""
        lead = () if models is None else (models,)

        def draw(units: int) -> Tensor:
            empty = torch.empty(*lead, units, device=generator.device, dtype=torch.float64)
            return empty.normal_(generator=generator).exp()

        return Scaling(spec, {group: draw(sizes[group]) for group in spec.groups})

    def compose(self, first: Scaling) -> Scaling:
        """This scaling after ``first``: the factors multiply.

        Raises:
            InputError: if the two belong to different specs or sizes.
        """
        self.check_same(first)
        return Scaling(
            self.spec, {group: self.scales[group] * first.scales[group] for group in self.scales}
        )

    __matmul__ = compose

    def inverse(self) -> Scaling:
        """The scaling that undoes this one."""
        return Scaling(self.spec, {group: 1 / scale for group, scale in self.scales.items()})

    def matrices(self) -> dict[str, Float[Tensor, "*models _ _"]]:
        """Diagonal matrices D: incoming weights become :math:`D W`, outgoing :math:`W D^{-1}`."""
        return {group: torch.diag_embed(scale) for group, scale in self.scales.items()}

    def act(self, state: State) -> dict[str, Tensor]:
        """Scale weights; called by :func:`onebasin.symmetry.action.apply`."""
        lead = 0 if self.spec.models(state) is None else 1
        check_sizes(self.sizes, self.spec.sizes(state))
        moved = dict(state)
        for name, on in self.spec.axes.items():
            for axis, entry in enumerate(on):
                if entry is not None:
                    factor = self.spec.along(entry, self.scales).to(moved[name])
                    factor = along(factor, axis + lead, moved[name].ndim)
                    moved[name] = moved[name] * factor if axis == 0 else moved[name] / factor
        return moved


@dataclass(frozen=True, eq=False)
class Canonical:
    """A network in canonical form.

    Args:
        state: The canonical weights.
        scaling: The element that leads there from the given weights (head aside).
        head: Factor by which the output layer was multiplied, 1 where it was left alone.
    """

    state: dict[str, Tensor]
    scaling: Scaling
    head: Float[Tensor, "*models"]


def canonical_form(spec: Spec, state: State, *, head: Sequence[str] = ()) -> Canonical:
    r"""The representative of a ReLU network among all its positive rescalings.

    Group after group, in the order of the spec (which must be that of the layers), every unit gets
    incoming weights of norm 1 (its bias divided along, its outgoing weights multiplied). For a
    classifier the output layer may then be scaled to Frobenius norm :math:`\sqrt{C}`.

    Source: [flowweights], §4.4. The paper scales only the output layer's weights; arg-max is then
    kept only if its bias is scaled along, so pass both in ``head``. Units without incoming weight
    have no direction and keep the scale 1.

    Args:
        spec: The groups.
        state: Weights of one network or of a stack.
        head: The output layer's weight, then its bias; empty to leave the layer as it is.

    Raises:
        InputError: if ``state`` does not fit, or a head tensor is unknown or zero.
    """
    spec.check(state)
    models = spec.models(state)
    total = Scaling.identity(spec, spec.sizes(state), models)
    total = total.to(next(iter(state.values())).device)
    moved = {name: t.double() if t.is_floating_point() else t for name, t in state.items()}
    for group in spec.groups:
        norm = incoming_norm(spec, moved, group)
        scales = dict(Scaling.identity(spec, spec.sizes(state), models).scales)
        scales[group] = torch.where(norm > 0, norm, 1.0).reciprocal()
        step = Scaling(spec, scales).to(norm.device)
        moved, total = step.act(moved), step.compose(total)
    factor = _head_factor(moved, head, lead=0 if models is None else 1)
    for name in head:
        moved[name] = moved[name] * factor.reshape(
            factor.shape + (1,) * (moved[name].ndim - factor.ndim)
        )
    return Canonical({name: t.to(state[name].dtype) for name, t in moved.items()}, total, factor)


def incoming_norm(spec: Spec, state: State, group: str) -> Float[Tensor, "*models units"]:
    """Euclidean norm of the incoming weights (not the bias) of every unit of ``group``."""
    lead = 0 if spec.models(state) is None else 1
    rows = [
        state[name].flatten(lead + 1).square().sum(-1)
        for name, axis in spec.occurrences(group)
        if axis == 0 and len(spec.axes[name]) > 1
    ]
    if not rows:
        raise InputError("spec", group, "has no incoming weights; a canonical form needs them")
    return torch.stack(rows).sum(0).sqrt()


def _head_factor(state: State, head: Sequence[str], *, lead: int) -> Float[Tensor, "*models"]:
    first = next(iter(state.values()))
    if not head:
        return torch.ones(first.shape[:lead], dtype=torch.float64, device=first.device)
    for name in head:
        if name not in state:
            raise InputError("head", name, f"is not a tensor of the state; choose of {[*state]}")
    weight = state[head[0]]
    norm = weight.flatten(lead).norm(dim=-1)
    if not (norm > 0).all():
        raise InputError("head", head[0], "is all zero and cannot be scaled to a norm")
    return weight.shape[lead] ** 0.5 / norm
