"""Permutations of hidden units, one network or a stack at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry import nested
from onebasin.symmetry.axes import Inner, index
from onebasin.symmetry.element import GroupElement, check_sizes
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True, eq=False)
class Permutation(GroupElement):
    """A permutation of the units of every group: ``perm[i] = j`` gives unit i the old unit j.

    In an alignment, unit i of ``ref`` receives unit j of ``other``. As a matrix, ``P[i, perm[i]]``
    is 1: :math:`P W` moves rows and :math:`W P^T` columns.

    Source: [ballerini2023], §2.1; [ainsworth2023], §2.

    Args:
        spec: The groups.
        perms: For each group its permutation of ``0 .. units - 1``, ``[*models units]``.

    Raises:
        InputError: if a group is missing or its indices are not a permutation.
    """

    kind: ClassVar[str] = "permutation"
    parts: ClassVar[tuple[str, ...]] = ("perms",)

    perms: Mapping[str, Int[Tensor, "*models _"]]

    def __post_init__(self) -> None:
        super().__post_init__()
        for group, perm in self.perms.items():
            check_permutation(group, perm)
        if self.spec.nested:
            nested.check(self.spec.nested, self.perms)

    @staticmethod
    def identity(spec: Spec, sizes: Mapping[str, int], models: int | None = None) -> Permutation:
        """The permutation that moves nothing; ``sizes`` as given by :meth:`Spec.sizes`."""
        lead = () if models is None else (models,)
        return Permutation(
            spec,
            {
                group: torch.arange(sizes[group]).repeat(*lead, 1).view(*lead, -1)
                for group in spec.groups
            },
        )

    @staticmethod
    def random(
        spec: Spec,
        sizes: Mapping[str, int],
        generator: torch.Generator,
        models: int | None = None,
    ) -> Permutation:
        """A uniformly random permutation of each group, drawn from ``generator``."""

        def draw(group: str) -> Tensor:
            rows = [
                torch.randperm(sizes[group], generator=generator, device=generator.device)
                for _ in range(models or 1)
            ]
            return rows[0] if models is None else torch.stack(rows)

        perms: dict[str, Tensor] = {}
        for family in spec.families:
            if set(family) & set(spec.nested):
                units = {group: sizes[group] for group in family}
                rows = [nested.draw(spec.nested, units, generator) for _ in range(models or 1)]
                for group in family:
                    perm = torch.stack([row[group] for row in rows])
                    perms[group] = perm[0] if models is None else perm
            else:
                perms |= {group: draw(group) for group in family}
        return Permutation(spec, perms)

    def compose(self, first: Permutation) -> Permutation:
        """This permutation after ``first``: ``apply(p.compose(q), s) == apply(p, apply(q, s))``.

        Raises:
            InputError: if the two belong to different specs or sizes.
        """
        self.check_same(first)
        return Permutation(
            self.spec, {group: take(first.perms[group], self.perms[group]) for group in self.perms}
        )

    __matmul__ = compose

    def inverse(self) -> Permutation:
        """The permutation that undoes this one; as a matrix, the transpose."""
        return Permutation(self.spec, {group: perm.argsort() for group, perm in self.perms.items()})

    def matrices(self) -> dict[str, Float[Tensor, "*models _ _"]]:
        """Permutation matrices in float64, ``P[i, perm[i]] = 1``."""
        return {
            group: torch.nn.functional.one_hot(perm, perm.shape[-1]).double()
            for group, perm in self.perms.items()
        }

    @staticmethod
    def from_matrices(
        spec: Spec, matrices: Mapping[str, Float[Tensor, "*models _ _"]]
    ) -> Permutation:
        """The permutation with these matrices; inverse of :meth:`matrices`.

        Raises:
            InputError: if one is not a permutation matrix (entries 0 and 1, one 1 a row, column).
        """
        for group, matrix in matrices.items():
            square = matrix.ndim >= 2 and matrix.shape[-1] == matrix.shape[-2]
            ones = square and all((matrix.sum(axis) == 1).all() for axis in (-1, -2))
            if not ones or not ((matrix == 0) | (matrix == 1)).all():
                raise InputError(
                    f"matrices[{group!r}]",
                    tuple(matrix.shape),
                    "is not a permutation matrix; each row and column needs one 1 and else 0",
                )
        return Permutation(spec, {group: matrix.argmax(-1) for group, matrix in matrices.items()})

    def fixed_points(self) -> dict[str, Int[Tensor, "*models"]]:
        """How many units of each group stay where they are (ones on the matrix's diagonal)."""
        return {
            group: (perm == torch.arange(perm.shape[-1], device=perm.device)).sum(-1)
            for group, perm in self.perms.items()
        }

    def act(self, state: State) -> dict[str, Tensor]:
        """Permute weights; called by :func:`onebasin.symmetry.action.apply`."""
        lead = 0 if self.spec.models(state) is None else 1
        check_sizes(self.sizes, self.spec.sizes(state))
        moved = dict(state)
        for name, on in self.spec.axes.items():
            for axis, entry in enumerate(on):
                if isinstance(entry, Inner):  # axis 0, which holds the blocks, has been moved
                    blocks = self.spec.nested[entry.group][1]
                    perm = self.perms[entry.group].to(moved[name].device)
                    moved[name] = permute_inside(moved[name], perm, blocks, lead)
                elif entry is not None:
                    perm = self.perms[entry] if isinstance(entry, str) else index(entry, self.perms)
                    moved[name] = permute(moved[name], perm.to(moved[name].device), axis + lead)
        return moved


def permute(tensor: Tensor, perm: Int[Tensor, "*models units"], axis: int) -> Tensor:
    """``tensor`` with the entries along ``axis`` reordered: entry i becomes old entry perm[i].

    Args:
        tensor: Any tensor; with a leading models dimension if ``perm`` has one.
        perm: One permutation, or one for each model.
        axis: Axis of ``tensor`` to permute, counted with the models dimension.
    """
    if perm.ndim == 1:
        return tensor.index_select(axis, perm)
    if tensor.is_cpu and tensor[0].numel() >= 1 << 12:  # a loop of whole rows beats one gather
        pairs = zip(tensor, perm, strict=True)
        return torch.stack([one.index_select(axis - 1, order) for one, order in pairs])
    shape = [1] * tensor.ndim
    shape[0], shape[axis] = perm.shape
    return tensor.take_along_dim(perm.view(shape), axis)


def permute_inside(
    tensor: Tensor, perm: Int[Tensor, "*models fan"], blocks: int, lead: int
) -> Tensor:
    """A grouped convolution's weight ``[out, fan / blocks, ...]`` with its inputs reordered.

    Args:
        tensor: The weight, its outputs permuted already.
        perm: Permutation of all inputs; what it does inside each block is used.
        blocks: Number of blocks, the groups of the convolution.
        lead: Number of leading dimensions of ``tensor`` (0 or 1).
    """
    inner = perm.shape[-1] // blocks
    rows = (perm % inner).unflatten(-1, (blocks, inner))
    rows = rows.repeat_interleave(tensor.shape[lead] // blocks, -2)  # [*models out inner]
    if rows.ndim < lead + 2:
        rows = rows.unsqueeze(0)
    return tensor.take_along_dim(rows.view(*rows.shape, *[1] * (tensor.ndim - lead - 2)), lead + 1)


def take(values: Tensor, perm: Tensor) -> Tensor:
    """``values[..., perm]``, either of them possibly a stack."""
    if perm.ndim < values.ndim:
        perm = perm.expand(values.shape)
    return values.expand(perm.shape).gather(-1, perm)


def check_permutation(group: str, perm: Tensor) -> None:
    """Refuse indices that are not a permutation of ``0 .. units - 1``."""
    whole = not (perm.is_floating_point() or perm.is_complex() or perm.dtype == torch.bool)
    count = torch.arange(perm.shape[-1], device=perm.device)
    if not whole or not torch.equal(perm.sort().values, count.expand_as(perm)):
        raise InputError(
            f"perms[{group!r}]",
            perm.tolist() if perm.numel() <= 16 else tuple(perm.shape),
            "is not a permutation; each of 0 .. units - 1 must stand in it exactly once",
        )
