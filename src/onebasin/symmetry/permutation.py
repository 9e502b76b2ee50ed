"""Permutations of hidden units, one network or a stack at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry import storage
from onebasin.symmetry.action import Element
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True, eq=False)
class Permutation:
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

    spec: Spec
    perms: Mapping[str, Int[Tensor, "*models _"]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "perms", dict(self.perms))
        check_groups(self.spec, self.perms, "perms")
        for group, perm in self.perms.items():
            _check_permutation(group, perm)

    @property
    def models(self) -> int | None:
        """Number of permutations in the stack, ``None`` for a single one."""
        return models_of(self.perms)

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

        def draw(units: int) -> Tensor:
            rows = [
                torch.randperm(units, generator=generator, device=generator.device)
                for _ in range(models or 1)
            ]
            return rows[0] if models is None else torch.stack(rows)

        return Permutation(spec, {group: draw(sizes[group]) for group in spec.groups})

    def compose(self, first: Permutation) -> Permutation:
        """This permutation after ``first``: ``apply(p.compose(q), s) == apply(p, apply(q, s))``.

        Raises:
            InputError: if the two belong to different specs or sizes.
        """
        check_same(self, first, self.perms, first.perms)
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
        sizes = {group: perm.shape[-1] for group, perm in self.perms.items()}
        check_sizes(sizes, self.spec.sizes(state))
        moved = dict(state)
        for name, on in self.spec.axes.items():
            for axis, group in enumerate(on):
                if group is not None:
                    perm = self.perms[group].to(moved[name].device)
                    moved[name] = permute(moved[name], perm, axis + lead)
        return moved

    def select(self, model: int) -> Permutation:
        """One permutation of the stack."""
        return Permutation(self.spec, {group: perm[model] for group, perm in self.perms.items()})

    @staticmethod
    def stack(elements: Sequence[Permutation]) -> Permutation:
        """A stack of single permutations of one spec."""
        groups = elements[0].spec.groups
        return Permutation(
            elements[0].spec, {g: torch.stack([one.perms[g] for one in elements]) for g in groups}
        )

    def to(self, device: torch.device | str) -> Permutation:
        """The same permutation on another device."""
        return Permutation(self.spec, {group: p.to(device) for group, p in self.perms.items()})

    def save(self, path: Path | str) -> None:
        """Write to a safetensors file, atomically, the spec as JSON in its header."""
        storage.write(path, "permutation", self.spec, self.perms)

    @staticmethod
    def load(path: Path | str) -> Permutation:
        """Read a file written by :meth:`save`; nothing is unpickled.

        Raises:
            CorruptFileError: if the file is damaged.
            InputError: if it holds something else.
        """
        return Permutation(*storage.read(path, "permutation"))


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


def take(values: Tensor, perm: Tensor) -> Tensor:
    """``values[..., perm]``, either of them possibly a stack."""
    if perm.ndim < values.ndim:
        perm = perm.expand(values.shape)
    return values.expand(perm.shape).gather(-1, perm)


def models_of(tensors: Mapping[str, Tensor]) -> int | None:
    """Length of the models dimension of per-group tensors ``[*models units]``."""
    first = next(iter(tensors.values()), None)
    return None if first is None or first.ndim == 1 else len(first)


def check_groups(spec: Spec, tensors: Mapping[str, Tensor], name: str) -> None:
    """Refuse per-group tensors that do not cover the spec's groups in one common stack."""
    if set(tensors) != set(spec.groups):
        raise InputError(name, sorted(tensors), f"needs one entry per group {list(spec.groups)}")
    leads = {tuple(tensor.shape[:-1]) for tensor in tensors.values()}
    if len(leads) > 1 or any(tensor.ndim not in (1, 2) for tensor in tensors.values()):
        shapes = {group: tuple(tensor.shape) for group, tensor in tensors.items()}
        raise InputError(name, shapes, "each entry must be [units], or [models units] on all")


def check_same(mine: Element, theirs: Element, left: Mapping, right: Mapping) -> None:
    """Refuse to combine elements of different specs, sizes or stacks."""
    if mine.spec != theirs.spec:
        raise InputError("first", theirs.spec.groups, "belongs to another spec; use one for both")
    check_sizes(
        {group: tensor.shape[-1] for group, tensor in left.items()},
        {group: tensor.shape[-1] for group, tensor in right.items()},
    )
    if None not in (mine.models, theirs.models) and mine.models != theirs.models:
        raise InputError("first", f"{theirs.models} models", f"must be a stack of {mine.models}")


def check_sizes(mine: Mapping[str, int], theirs: Mapping[str, int]) -> None:
    """Refuse an element for other numbers of units than the state has."""
    for group, units in mine.items():
        if theirs[group] != units:
            raise InputError(
                f"state, group {group!r}",
                f"{theirs[group]} units",
                f"the element moves {units}; use one made for this architecture",
            )


def _check_permutation(group: str, perm: Tensor) -> None:
    whole = not (perm.is_floating_point() or perm.is_complex() or perm.dtype == torch.bool)
    count = torch.arange(perm.shape[-1], device=perm.device)
    if not whole or not torch.equal(perm.sort().values, count.expand_as(perm)):
        raise InputError(
            f"perms[{group!r}]",
            perm.tolist() if perm.numel() <= 16 else tuple(perm.shape),
            "is not a permutation; each of 0 .. units - 1 must stand in it exactly once",
        )
