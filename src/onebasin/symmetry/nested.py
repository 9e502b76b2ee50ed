r"""Groups of units that come in blocks: the heads of an attention, the groups of a group norm.

A group of :math:`B` blocks of :math:`d` units may be permuted block by block, and inside every
block by a permutation of its own. Unit :math:`(h, i)` receives unit
:math:`(\sigma(h), \tau_h(i))` with :math:`\sigma \in S_B` and :math:`\tau_h \in S_d`. Doing one
such move after another gives

.. math:: (\sigma_2, \tau_2) \cdot (\sigma_1, \tau_1)
    = \bigl(\sigma_1 \sigma_2,\; h \mapsto \tau_{1,\sigma_2(h)}\, \tau_{2,h}\bigr):

the second move's choice of blocks says which of the first move's inner permutations meets which of
its own. This is the semidirect (wreath) product :math:`S_d \wr S_B = S_d^B \rtimes S_B`, of order
:math:`(d!)^B\, B!`.

None of that needs code. The wreath product is a subgroup of the permutations of all :math:`B d`
units, :math:`(h, i) \mapsto \sigma(h) d + \tau_h(i)`, and so a permutation is stored as that one
index vector: composition, inverse and action are those of every other permutation, and what is left
is to say which vectors belong (:func:`check`), to draw one (:func:`draw`) and to list all
(:func:`every`). Several groups may share their blocks (query and key with value and output): their
:math:`\sigma` must agree. Blocks may themselves come in blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from onebasin.errors import InputError

#: Group to the name and number of its blocks.
Nested: TypeAlias = Mapping[str, tuple[str, int]]


def root(nested: Nested, name: str) -> str:
    """The outermost blocks that a group is made of; itself if it has none."""
    while name in nested:
        name = nested[name][0]
    return name


def check_nested(nested: Nested, groups: Sequence[str]) -> None:
    """Refuse blocks that contradict one another.

    Raises:
        InputError: naming the group.
    """
    counts: dict[str, int] = {}
    for group, (name, blocks) in nested.items():
        remedy = f"group {group!r} needs a name and a number of blocks, the same wherever it stands"
        if blocks < 1 or counts.setdefault(name, blocks) != blocks:
            raise InputError("nested", (name, blocks), remedy)
        seen = [group]
        while seen[-1] in nested:
            seen.append(nested[seen[-1]][0])
            if seen[-1] == group:
                raise InputError("nested", seen, "blocks must not be made of themselves")
    lost = [group for group in nested if group not in groups and group not in counts]
    if lost:
        raise InputError("nested", lost, "stand on no axis; name the groups as the axes do")


def blocks_of(perm: Int[Tensor, "*models units"], blocks: int) -> Int[Tensor, "*models blocks"]:
    """Where each block comes from, read off its first unit."""
    return perm[..., :: perm.shape[-1] // blocks] // (perm.shape[-1] // blocks)


def check(nested: Nested, perms: Mapping[str, Tensor]) -> None:
    """Refuse permutations that tear blocks apart or move shared blocks differently.

    Raises:
        InputError: naming the group.
    """
    known = dict(perms)
    for group in _outwards(nested):
        name, blocks = nested[group]
        perm = known.get(group)
        if perm is None:
            continue
        if perm.shape[-1] % blocks:
            units = perm.shape[-1]
            raise InputError(f"perms[{group!r}]", f"{units} units", f"need {blocks} equal blocks")
        order, inner = blocks_of(perm, blocks), perm.shape[-1] // blocks
        whole = (perm // inner).unflatten(-1, (blocks, inner)) == order.unsqueeze(-1)
        if not whole.all():
            remedy = f"tears the blocks {name!r} apart; units must stay together with their block"
            raise InputError(f"perms[{group!r}]", tuple(perm.shape), remedy)
        if not torch.equal(known.setdefault(name, order), order):
            remedy = f"moves the blocks {name!r} differently from another group that shares them"
            raise InputError(f"perms[{group!r}]", order.tolist(), remedy)


def draw(
    nested: Nested, sizes: Mapping[str, int], generator: torch.Generator
) -> dict[str, Int[Tensor, " units"]]:
    """A uniformly random element of one family of groups.

    Args:
        nested: The blocks of the spec.
        sizes: Units of every group of the family.
        generator: Where the randomness comes from.
    """
    drawn: dict[str, Tensor] = {}

    def draw_one(name: str, units: int) -> Tensor:
        if name not in drawn and name not in nested:
            drawn[name] = torch.randperm(units, generator=generator, device=generator.device)
        elif name not in drawn:
            parent, blocks = nested[name]
            order, inner = draw_one(parent, blocks), [units // blocks] * blocks
            rows = [torch.randperm(k, generator=generator, device=generator.device) for k in inner]
            drawn[name] = join(order, torch.stack(rows))
        return drawn[name]

    return {group: draw_one(group, units) for group, units in sizes.items()}


def join(
    order: Int[Tensor, "*models blocks"], inner: Int[Tensor, "*models blocks inner"]
) -> Int[Tensor, "*models units"]:
    """The permutation of all units that moves blocks by ``order`` and each inside by its own."""
    return (order.unsqueeze(-1) * inner.shape[-1] + inner).flatten(-2)


def every(nested: Nested, sizes: Mapping[str, int]) -> Iterator[dict[str, tuple[int, ...]]]:
    """All elements of one family of groups, as index tuples; for tiny sizes."""
    units = dict(sizes)
    for group in sizes:
        while group in nested:
            group, blocks = nested[group]
            units[group] = blocks
    names = [*(n for n in units if n not in nested), *reversed(_outwards(nested))]
    names = [name for name in names if name in units]
    choices = []
    for name in names:
        count = nested[name][1] if name in nested else 1
        inside = list(itertools.permutations(range(units[name] // count)))
        choices.append(list(itertools.product(inside, repeat=count)))
    for rows in itertools.product(*choices):
        found: dict[str, tuple[int, ...]] = {}
        for name, inner in zip(names, rows, strict=True):
            order = found[nested[name][0]] if name in nested else (0,)
            width = len(inner[0])
            pairs = zip(order, inner, strict=True)
            found[name] = tuple(block * width + k for block, row in pairs for k in row)
        yield {name: found[name] for name in sizes}


def _outwards(nested: Nested) -> list[str]:
    """Groups with blocks, each before the blocks it is made of."""

    def depth(name: str) -> int:
        return 1 + depth(nested[name][0]) if name in nested else 0

    return sorted(nested, key=depth, reverse=True)
