"""Slow and independent ways to do what the matchers do fast: witnesses for chapters and tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import seeds
from onebasin.matching import assignment, quadratic
from onebasin.matching.similarity import unit_similarity
from onebasin.matching.weight import weight_match
from onebasin.networks.mlp import Mlp
from onebasin.symmetry.action import apply
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.scaling import canonical_form
from onebasin.symmetry.spec import Spec, State


def random_features(case: int) -> Float[Tensor, "two units samples"]:
    """Activations of one layer in two networks, by number of the case.

    Sizes (up to six units) and dtype change from case to case; of every eighteen cases the first
    six have whole numbers and rows of zeros, as after ReLU, so that permutations tie.
    """
    generator, dtype = seeds.stream("features", case), (torch.float32, torch.float64)[case % 2]
    shape = (2, 1 + case % 6, 1 + case % 23)
    both = torch.randn(shape, generator=generator, dtype=dtype)
    return (both * 1.5).round().relu() if case % 18 < 6 else both


def random_pair(case: int) -> tuple[Spec, dict[str, Tensor], dict[str, Tensor], Permutation]:
    """Two small random networks of one shape and a random permutation, by number of the case."""
    widths = (2, *(1 + case % 5, 1 + case % 4, 1 + case % 3)[: 1 + case % 3], 2)
    dtype = (torch.float32, torch.float64)[case % 2]
    nets = [Mlp(widths, generator=seeds.stream("pair", case, k)).to(dtype) for k in (0, 1)]
    states = [dict(net.state_dict()) for net in nets]
    spec = nets[0].spec
    element = Permutation.random(spec, spec.sizes(states[0]), seeds.stream("pair", case))
    return spec, states[0], states[1], element


def group_values(
    spec: Spec, ref: State, other: State, group: str, element: Permutation
) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """Inner product and squared distance of whole networks for every permutation of one group.

    Args:
        spec: The groups.
        ref: One network.
        other: The network that is permuted.
        group: The group that is enumerated, in the order of :func:`quadratic.every`.
        element: How the other groups are permuted.

    Returns:
        Both in float64, from all weights and biases, by moving weights and nothing else.
    """
    ways = quadratic.every(element.perms[group].shape[-1])
    perms = {g: ways if g == group else p.expand(len(ways), -1) for g, p in element.perms.items()}
    stack = {name: other[name].double().expand(len(ways), *other[name].shape) for name in spec.axes}
    moved = apply(Permutation(spec, perms), stack)
    inner = sum((ref[name].double() * t).flatten(1).sum(1) for name, t in moved.items())
    squared = sum((ref[name].double() - t).square().flatten(1).sum(1) for name, t in moved.items())
    return inner, squared  # type: ignore[return-value]


def activation_match_in_order(
    network: Mlp, ref: State, other: State, data: Tensor, order: Sequence[str]
) -> Permutation:
    """Activation matching layer by layer: solve one, permute the network, run it anew.

    Args:
        network: The kind of network.
        ref: One network.
        other: The network that is permuted.
        data: Inputs ``[samples fan]``.
        order: The groups in the order in which they are visited.
    """
    still = Permutation.identity(network.spec, network.spec.sizes(ref))
    total = still
    for group in order:
        seen = [network.run(state, data, capture="post")[1][group] for state in (ref, other)]
        solved = assignment.solve(unit_similarity(seen[0].T, seen[1].T))
        step = Permutation(network.spec, {**still.perms, group: solved})
        other, total = apply(step, other), step @ total
    return total


def mean_cosine(states: State) -> float:
    """Mean inner product of two networks of a stack, in units of their mean squared norm."""
    flat = torch.cat([tensor.double().flatten(1) for tensor in states.values()], 1)
    together, alone = flat.sum(0).square().sum(), flat.square().sum()
    return float((together - alone) / ((len(flat) - 1) * alone))


def merge_at_once(spec: Spec, states: State, rounds: int) -> list[float]:
    """MERGEMANY done wrongly: in every round all networks are aligned at the same time.

    Args:
        spec: The groups.
        states: Stack of networks, each aligned to the mean of the others.
        rounds: How many.

    Returns:
        :func:`mean_cosine` before the first round and after each one; it may fall.
    """
    curve = [mean_cosine(states)]
    for turn in range(rounds):
        means = {n: (t.sum(0, keepdim=True) - t) / (len(t) - 1) for n, t in states.items()}
        states = apply(weight_match(spec, means, states, seed=turn).element, states)
        curve.append(mean_cosine(states))
    return curve


def recover(
    spec: Spec, ref: State, other: State, planted: Permutation, *, align_first: bool
) -> tuple[Float[Tensor, " models"], Float[Tensor, " models"]]:
    """Take away a planted permutation and planted scales, in one order or the other.

    Args:
        spec: The groups.
        ref: Stack of networks.
        other: The same networks, permuted by ``planted`` and rescaled.
        planted: The permutation that was applied to ``ref``.
        align_first: Weight matching on the weights as they are and the canonical form of the
            result, as printed in [flowweights], §4.4; otherwise matching of canonical forms.

    Returns:
        Share of hidden units put right, and distance to the canonical form of ``ref`` relative to
        its length.
    """
    form = canonical_form(spec, ref).state
    pair = (ref, other) if align_first else (form, canonical_form(spec, other).state)
    found = weight_match(spec, *pair).element
    right = sum((found @ planted).fixed_points().values()) / sum(spec.sizes(ref).values())
    end = canonical_form(spec, apply(found, pair[1])).state
    gap = sum((end[name] - form[name]).flatten(1).square().sum(1) for name in form)
    whole = sum(tensor.flatten(1).square().sum(1) for tensor in form.values())
    return right, (gap / whole).sqrt()  # type: ignore[return-value, union-attr]
