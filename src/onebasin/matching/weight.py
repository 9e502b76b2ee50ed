"""Weight matching: coordinate descent over layers, each an assignment (Git Re-Basin, Alg. 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from onebasin.errors import InputError
from onebasin.matching import sweeps
from onebasin.matching.descent import Descent, Pairs, WeightOptions, best_start
from onebasin.matching.identity import identity_match
from onebasin.matching.result import Match
from onebasin.parallel import spread
from onebasin.registry import register
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State


@register(
    name="weight",
    label="weight matching",
    colour="#005A9C",
    marker="o",
    dash="-",
    cite="ainsworth2023",
    cost="assignments",
)
def weight_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    seed: int = 0,
    init: Permutation | None = None,
    options: WeightOptions | None = None,
) -> Match[Permutation]:
    r"""Permute ``other`` so that its weights come close to those of ``ref``; needs no data.

    .. math:: \arg\max_\pi \langle \theta_A, \pi(\theta_B) \rangle
              = \arg\min_\pi \| \theta_A - \pi(\theta_B) \|^2

    One group at a time, in random order, the others held fixed: a linear assignment (groups that
    share blocks together: see :func:`~onebasin.matching.nested.solve_groups`). No step lowers the
    objective, so it ends.

    Source: [ainsworth2023], §3.2, eq. (2), Alg. 1. Departures: every tensor that carries a group
    takes part, biases too; similarities are float64; the tolerance is relative and a tie keeps the
    old permutation; groups whose neighbours did not change are skipped (same result).

    Args:
        spec: The groups.
        ref: One network, or a stack of them.
        other: The networks to be permuted, one for each of ref.
        seed: Number of the random order of groups and of the restarts, the same for each pair.
        init: Where to start; the identity by default.
        options: Limits and tolerances; see :class:`~onebasin.matching.sweeps.Limits`.

    Returns:
        Permutation of ``other``; the objective is the inner product (dimensionless).

    Raises:
        InputError: if the networks do not fit one another or an option is out of range.
    """
    options = options or WeightOptions()
    spec.check_pair(ref, other)
    options.check(spec)
    if not spec.groups:
        return identity_match(spec, ref, other)
    models, sizes = spec.models(ref), spec.sizes(ref)
    device = next(iter(ref.values())).device
    first = init if init is not None else Permutation.identity(spec, sizes, models)
    perms = _starts(spec, first.to(device), sizes, models or 1)
    (_, ref), (_, other) = spec.unfold(ref), spec.unfold(other)
    moving = spec.matched
    left, right = (sweeps.as_stack(moving, state, models) for state in (ref, other))
    weights = sum(tensor[0].numel() for tensor in left.values())
    # Two networks in two layouts; the gains of a group and their assignment.
    per_pair = 4 * weights + 2 * sum(units**2 for units in sizes.values())
    size = sweeps.pairs_at_once(per_pair, models or 1, device)

    def work(start: int) -> Descent:
        part = slice(start, start + size)
        pairs = Pairs(moving, *({n: t[part].double() for n, t in s.items()} for s in (left, right)))
        return best_start(pairs, {g: p[part] for g, p in perms.items()}, seed, options)

    parts = spread(work, range(0, models or 1, size), device)
    whole = {group: torch.cat([part.at[group] for part in parts]) for group in spec.groups}
    single = models is None
    element = Permutation(spec, {g: p[0] if single else p for g, p in whole.items()})
    match = sweeps.joined(element, parts, single=single)
    return match.warn_unless_converged(f"max_sweeps={options.max_sweeps}")


def _starts(spec: Spec, init: Permutation, sizes: dict, models: int) -> dict[str, Tensor]:
    if init.spec != spec or {g: p.shape[-1] for g, p in init.perms.items()} != sizes:
        raise InputError("init", init.spec.groups, f"must permute groups of sizes {sizes}")
    if init.models not in (None, models):
        raise InputError("init", f"{init.models} models", f"must be single or a stack of {models}")
    return {group: perm.expand(models, -1) for group, perm in init.perms.items()}
