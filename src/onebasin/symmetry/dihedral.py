"""The full symmetry of sine units: sign flips and phase shifts besides permutations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.element import GroupElement, along, check_sizes
from onebasin.symmetry.permutation import Permutation, check_permutation, permute, take
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True, eq=False)
class Dihedral(GroupElement):
    r"""A permutation of sine units, and for each a sign :math:`f` and a shift by k half periods.

    Unit i receives the old unit ``perms[i] = j``, changed by its own f and k:

    .. math:: w_i' = f w_j, \qquad b_i' = f b_j + k \frac{\pi}{\omega_0}, \qquad
              v_i' = f (-1)^k v_j .

    It keeps every network whose units are :math:`\sin(\omega_0(w \cdot x + b))`, since
    :math:`\sin(f y + k\pi) = f (-1)^k \sin y`. The three fields are the normal form: each element
    is written so in one way only.

    Args:
        spec: The groups. Each needs one bias, a tensor whose only axis is the group.
        perms: For each group its permutation, ``[*models units]``.
        signs: For each group the f of every unit after the permutation, 1 or -1, int8.
        shifts: For each group its k, any integers.
        omega: Frequency :math:`\omega_0` (radians per unit of pre-activation).

    Raises:
        InputError: if a group is missing, has no bias of its own, or a value is out of range.
    """

    kind: ClassVar[str] = "dihedral"
    parts: ClassVar[tuple[str, ...]] = ("perms", "signs", "shifts")

    perms: Mapping[str, Int[Tensor, "*models _"]]
    signs: Mapping[str, Int[Tensor, "*models _"]]
    shifts: Mapping[str, Int[Tensor, "*models _"]]
    omega: float

    def __post_init__(self) -> None:
        super().__post_init__()
        biases(self.spec)
        if not 0 < self.omega < math.inf:
            raise InputError("omega", self.omega, "must be a positive, finite frequency")
        for group, perm in self.perms.items():
            check_permutation(group, perm)
            self._check_units(group, perm)

    def _check_units(self, group: str, perm: Tensor) -> None:
        sign, shift = self.signs[group], self.shifts[group]
        for name, values in (("signs", sign), ("shifts", shift)):
            if values.is_floating_point() or values.shape != perm.shape:
                found = (values.dtype, tuple(values.shape))
                remedy = f"must be integers of the shape of the permutation, {tuple(perm.shape)}"
                raise InputError(f"{name}[{group!r}]", found, remedy)
        if not (sign.abs() == 1).all():
            raise InputError(f"signs[{group!r}]", sign.unique().tolist(), "each must be 1 or -1")

    @property
    def permutation(self) -> Permutation:
        """What it does to the places of the units."""
        return Permutation(self.spec, self.perms)

    @property
    def outer(self) -> dict[str, Int[Tensor, "*models _"]]:
        """The sign :math:`s = f (-1)^k` of each unit's activation and outgoing weights."""
        return {g: sign * (1 - 2 * (self.shifts[g] % 2)) for g, sign in self.signs.items()}

    @staticmethod
    def identity(
        spec: Spec, sizes: Mapping[str, int], models: int | None = None, *, omega: float
    ) -> Dihedral:
        """The element that changes nothing; ``sizes`` as given by :meth:`Spec.sizes`."""
        return Dihedral.of(Permutation.identity(spec, sizes, models), omega=omega)

    @staticmethod
    def of(permutation: Permutation, *, omega: float) -> Dihedral:
        """A permutation, seen as an element of the larger group."""
        perms = permutation.perms
        signs = {group: torch.ones_like(perm, dtype=torch.int8) for group, perm in perms.items()}
        shifts = {group: torch.zeros_like(perm) for group, perm in perms.items()}
        return Dihedral(permutation.spec, perms, signs, shifts, omega)

    @staticmethod
    def random(
        spec: Spec,
        sizes: Mapping[str, int],
        generator: torch.Generator,
        models: int | None = None,
        *,
        omega: float,
        farthest: int = 3,
    ) -> Dihedral:
        """Uniformly random permutations, signs, and shifts between ``-farthest`` and ``farthest``.

        The group is infinite, so no draw is uniform on all of it.
        """
        perms = Permutation.random(spec, sizes, generator, models).perms

        def draw(low: int, high: int, like: Tensor) -> Tensor:
            device = generator.device
            return torch.randint(low, high, like.shape, generator=generator, device=device)

        signs = {group: 2 * draw(0, 2, perm).to(torch.int8) - 1 for group, perm in perms.items()}
        shifts = {group: draw(-farthest, farthest + 1, perm) for group, perm in perms.items()}
        return Dihedral(spec, perms, signs, shifts, omega)

    def compose(self, first: Dihedral) -> Dihedral:
        r"""This element after ``first``.

        With ``p`` this permutation and unit ``j = p[i]``: :math:`f_i f'_j` and
        :math:`f_i k'_j + k_i`.

        Raises:
            InputError: if the two belong to different specs, sizes or frequencies.
        """
        self.check_same(first)
        perms, signs, shifts = {}, {}, {}
        for group, perm in self.perms.items():
            sign = self.signs[group]
            perms[group] = take(first.perms[group], perm)
            signs[group] = sign * take(first.signs[group], perm)
            shifts[group] = sign * take(first.shifts[group], perm) + self.shifts[group]
        return Dihedral(self.spec, perms, signs, shifts, self.omega)

    __matmul__ = compose

    def inverse(self) -> Dihedral:
        """The element that undoes this one: the old sign and ``-f k`` at the old place."""
        perms = {group: perm.argsort() for group, perm in self.perms.items()}
        signs = {group: take(self.signs[group], perm) for group, perm in perms.items()}
        shifts = {g: -signs[g] * take(self.shifts[g], perm) for g, perm in perms.items()}
        return Dihedral(self.spec, perms, signs, shifts, self.omega)

    def matrices(self) -> dict[str, Float[Tensor, "*models _ _"]]:
        r"""Affine maps of the phases, ``[[F P, k], [0, 1]]``, which multiply as elements do.

        With them :math:`\omega_0(z', 1)^T`, in half periods, is the matrix times the old one.
        """
        made = {}
        for group, perm in self.perms.items():
            turned = torch.nn.functional.one_hot(perm, perm.shape[-1]).double()
            turned = turned * self.signs[group].unsqueeze(-1)
            whole = torch.zeros(*perm.shape[:-1], perm.shape[-1] + 1, perm.shape[-1] + 1)
            whole = whole.to(turned)
            whole[..., :-1, :-1], whole[..., -1, -1] = turned, 1.0
            whole[..., :-1, -1] = self.shifts[group].double()
            made[group] = whole
        return made

    def act(self, state: State) -> dict[str, Tensor]:
        """Move weights; called by :func:`onebasin.symmetry.action.apply`."""
        lead = 0 if self.spec.models(state) is None else 1
        check_sizes(self.sizes, self.spec.sizes(state))
        outer, moved = self.outer, dict(state)
        for name, on in self.spec.axes.items():
            for axis, group in enumerate(on):
                if group is None:
                    continue
                if not isinstance(group, str):
                    remedy = "several groups on one axis have no sines of their own"
                    raise InputError("spec", group, f"{remedy}; use a plain spec")
                whole = permute(moved[name], self.perms[group].to(moved[name].device), axis + lead)
                sign = (self.signs if axis == 0 else outer)[group].to(whole)
                whole = whole * along(sign, axis + lead, whole.ndim)
                if on == (group,):
                    whole = self._shifted(whole, group)
                moved[name] = whole
        return moved

    def _shifted(self, bias: Tensor, group: str) -> Tensor:
        """A bias plus k half periods, rounded once."""
        shift = self.shifts[group].to(bias.device).double() * (math.pi / self.omega)
        return (bias.double() + shift).to(bias.dtype)


def biases(spec: Spec) -> dict[str, str]:
    """For each group the name of its bias, the one tensor that has the group as its only axis.

    Raises:
        InputError: if a group has none or several (a norm layer has no phase), if an axis holds
            several groups, or if units form blocks.
    """
    if not spec.is_plain or spec.nested:
        remedy = "sine units need a plain spec, one group an axis and no blocks"
        raise InputError("spec", list(spec.groups), remedy)
    found = {}
    for group in spec.groups:
        names = [name for name, on in spec.axes.items() if on == (group,)]
        if len(names) != 1:
            remedy = f"group {group!r} needs one bias, a tensor with the group as its only axis"
            raise InputError("spec", names, remedy)
        found[group] = names[0]
    return found


@dataclass(frozen=True)
class Representative:
    """A sine network in canonical form.

    Args:
        state: The canonical weights.
        element: The element that leads there from the given ones.
    """

    state: dict[str, Tensor]
    element: Dihedral


def canonical_sine(spec: Spec, state: State, *, omega: float) -> Representative:
    r"""The one representative of a sine network among all its equivalents.

    Each unit's phase :math:`\omega_0 b` is brought into :math:`[0, \pi/2]`, the smallest interval
    into which flips and half-period shifts can bring every phase; units are sorted by it. Networks
    that differ by an element have the same form, up to rounding, if no two biases of a layer
    meet there and none lies on the interval's ends.

    Args:
        spec: The groups, each with one bias.
        state: Weights of one network or of a stack.
        omega: Frequency :math:`\omega_0`.

    Raises:
        InputError: if ``state`` does not fit.
    """
    spec.check(state)
    half = math.pi / omega
    perms, signs, shifts = {}, {}, {}
    for group, name in biases(spec).items():
        bias = state[name].double()
        nearest = (bias / half).round()
        rest = bias - nearest * half  # in [-half / 2, half / 2]
        sign = torch.where(rest < 0, -1, 1)
        order = rest.abs().argsort(dim=-1, stable=True)
        perms[group] = order
        signs[group] = take(sign, order).to(torch.int8)
        shifts[group] = take((-sign * nearest).long(), order)
    element = Dihedral(spec, perms, signs, shifts, omega)
    return Representative(element.act(state), element)
