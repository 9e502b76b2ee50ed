"""The exact alignment of tiny networks: every element of the group is tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.action import apply
from onebasin.symmetry.counting import free_sizes
from onebasin.symmetry.nested import every
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

#: Largest group that is enumerated.
LIMIT = 50_000

#: A distance of one network from each of a stack: ``objective(ref, moved) -> [models]``.
Objective = Callable[[State, State], Float[Tensor, " models"]]


def group_elements(spec: Spec, sizes: Mapping[str, int]) -> Permutation:
    """All elements of the permutation group as one stack, in lexicographic order.

    Args:
        spec: The groups.
        sizes: Units of every group, as given by :meth:`Spec.sizes`.

    Raises:
        InputError: if there are more than 50,000.
    """
    total = math.prod(math.factorial(units) for units in free_sizes(spec, sizes))
    if total > LIMIT:
        raise InputError("sizes", dict(sizes), f"has {total:.3g} elements; the limit is {LIMIT}")
    families = [
        [tuple(row.values()) for row in every(spec.nested, {g: sizes[g] for g in family})]
        for family in spec.families
    ]
    rows = [[perm for part in parts for perm in part] for parts in itertools.product(*families)]
    groups = [group for family in spec.families for group in family]
    columns = dict(zip(groups, zip(*rows, strict=True), strict=True))
    return Permutation(spec, {group: torch.tensor(columns[group]) for group in spec.groups})


def squared_distance(ref: State, moved: State) -> Float[Tensor, " models"]:
    r"""Squared Euclidean distance :math:`\lVert v - k\#v' \rVert^2` of all weights, in float64."""
    gaps = (ref[name].double() - moved[name].double() for name in ref)
    return torch.stack([gap.square().flatten(1).sum(1) for gap in gaps]).sum(0)


def minimisers(
    spec: Spec,
    ref: State,
    other: State,
    *,
    objective: Objective = squared_distance,
    rtol: float = 1e-9,
) -> frozenset[tuple[tuple[int, ...], ...]]:
    r"""The set :math:`\mathcal{G}(v, v') = \arg\min_{k \in G} E(v, k\#v')`, by enumeration.

    Source: [navon2024], §3, eq. 2 and its extension to other objectives.

    Args:
        spec: The groups.
        ref: Reference network v.
        other: Network v' that is moved.
        objective: E; by default the squared distance.
        rtol: Elements within this fraction of the range of E count as tied.

    Returns:
        One tuple per minimiser: its index tuple for every group, in the order of ``spec.groups``.
        More than one element if there are ties.

    Raises:
        InputError: if the group is too large, or the networks do not fit together.
    """
    spec.check_pair(ref, other)
    elements = group_elements(spec, spec.sizes(ref))
    count = elements.models or 1
    stacked = {name: other[name].expand(count, *other[name].shape) for name in spec.axes}
    value = objective({name: ref[name] for name in spec.axes}, apply(elements, stacked))
    best = value <= value.min() + rtol * (value.max() - value.min()).clamp(min=1e-300)
    return frozenset(as_key(elements.select(int(k))) for k in best.nonzero().flatten())


def as_key(element: Permutation) -> tuple[tuple[int, ...], ...]:
    """A single permutation as a hashable tuple of index tuples."""
    return tuple(tuple(element.perms[group].tolist()) for group in element.spec.groups)


def from_key(spec: Spec, key: tuple[tuple[int, ...], ...]) -> Permutation:
    """The permutation that :func:`as_key` wrote."""
    return Permutation(
        spec, {group: torch.tensor(perm) for group, perm in zip(spec.groups, key, strict=True)}
    )
