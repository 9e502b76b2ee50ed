"""Matching of sine networks over their whole symmetry: permutations, signs and phase shifts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from onebasin.errors import InputError
from onebasin.matching import sweeps
from onebasin.matching.measured import MeasuredProblem, Moments, check_moments
from onebasin.matching.result import Match
from onebasin.matching.signed import Signed
from onebasin.matching.signed_descent import Problem, Walk, best_walk
from onebasin.parallel import spread
from onebasin.registry import register
from onebasin.symmetry.dihedral import Dihedral, biases
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State

#: Mean square of what a sine gives when its phase is spread over the whole period.
SINE_MOMENT = 0.5


@dataclass(frozen=True)
class DihedralOptions(sweeps.Limits):
    """Options of :func:`dihedral_match`, besides the limits of its descent.

    Args:
        moves: ``"sign-phase"`` for the full group, ``"sign"`` for permutations and signs.
        weighing: ``"derived"`` weighs the weights of a layer by the mean square of its inputs,
            which makes the objective a change of pre-activations; ``"plain"`` takes distances of
            weights and biases as they are.
        input_moment: Mean square of one coordinate of the data, used by the derived weighing; 1/3
            for coordinates uniform in [-1, 1].
        bias: Further factor on the bias term.
    """

    moves: Literal["sign", "sign-phase"] = "sign-phase"
    weighing: Literal["derived", "plain"] = "derived"
    input_moment: float = 1 / 3
    bias: float = 1.0


def dihedral_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    omega: float,
    seed: int = 0,
    init: Dihedral | Permutation | None = None,
    moments: Mapping[str, Moments] | None = None,
    options: DihedralOptions | None = None,
) -> Match[Dihedral]:
    r"""Permute, flip and shift the sine units of ``other`` so that they come close to ``ref``'s.

    .. math:: \arg\max_g\; -\tfrac12 \sum_\ell \Big( c_\ell \| W^A_\ell - W^{gB}_\ell \|^2
              + \beta \| b^A_\ell - b^{gB}_\ell \|^2 \Big)

    over all elements :math:`g` of the group; :math:`c_\ell` is the mean square of one input of the
    layer and :math:`\beta` the weight of biases. One layer at a time: for units i of ref and j of
    other, the best of the four signs (f, s), with the whole periods that bring the biases nearest;
    then an assignment on these best values. No step lowers the objective, so it ends.

    Source: coordinate descent as in [ainsworth2023], Alg. 1; candidates and weighing are ours.

    Args:
        spec: The groups, each with one bias.
        ref: One network, or a stack of them.
        other: The networks to be moved, one for each of ref.
        omega: Frequency :math:`\omega_0` of the sines.
        seed: Number of the random order of groups and of the restarts, the same for each pair.
        init: Where to start; by default the best match of incoming weights alone, layer by layer,
            which recovers an element of the group exactly.
        moments: What the layers of ref read, from
            :func:`~onebasin.matching.measured.measure_moments`. The objective is then the
            expected change of the pre-activations on those data, see
            :class:`~onebasin.matching.measured.MeasuredProblem`, and ``weighing`` plays no part.
        options: See :class:`DihedralOptions`.

    Returns:
        Element for ``other``; the objective is the sum above, 0 for equal networks (square of a
        pre-activation). O(units^3) time for each layer and sweep.

    Raises:
        InputError: if the networks do not fit one another, have units without bias or with more
            than a chain's neighbours, or if an option is out of range.
    """
    options = options or DihedralOptions()
    spec.check_pair(ref, other)
    _check(spec, omega, options)
    models, sizes = spec.models(ref), spec.sizes(ref)
    device = next(iter(ref.values())).device
    start = _start(spec, init, sizes, models, omega=omega, options=options)
    moving = spec.matched
    if moments is not None:
        check_moments(moving, moments, ref)
    left, right = (sweeps.as_stack(moving, state, models) for state in (ref, other))
    weights = sum(tensor[0].numel() for tensor in left.values())
    # The other network is listed twice, as it is and with its signs.
    per_pair = 6 * weights + 6 * sum(units**2 for units in sizes.values())
    size = sweeps.pairs_at_once(per_pair, models or 1, device)

    def work(first: int) -> tuple[Walk, Dihedral]:
        part = slice(first, first + size)
        mine, theirs = ({n: t[part].double() for n, t in s.items()} for s in (left, right))
        half = math.pi / omega if options.moves == "sign-phase" else None
        measured = _part(moments, part)
        problem = _problem(moving, mine, theirs, half, options=options, moments=measured)
        parts = [{g: t[part].to(device) for g, t in p.items()} for p in start]
        walk = best_walk(problem, Signed(*parts) if parts else None, seed, options)
        return walk, problem.nearest(walk.at, omega=omega)

    parts = spread(work, range(0, models or 1, size), device)
    whole = replace(Dihedral.concatenate([element for _, element in parts]), spec=spec)
    single = models is None
    element = whole.select(0) if single else whole
    match = sweeps.joined(element, [walk for walk, _ in parts], single=single)
    return match.warn_unless_converged(f"max_sweeps={options.max_sweeps}")


@register(name="sign", label="signs", colour="#8868E8", marker=">", dash="-.", cost="assignments")
def sign_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    omega: float,
    seed: int = 0,
    init: Dihedral | Permutation | None = None,
    moments: Mapping[str, Moments] | None = None,
    options: DihedralOptions | None = None,
) -> Match[Dihedral]:
    """:func:`dihedral_match` over permutations and signs alone."""
    options = replace(options or DihedralOptions(), moves="sign")
    return dihedral_match(
        spec, ref, other, omega=omega, seed=seed, init=init, moments=moments, options=options
    )


register(
    name="sign + phase",
    label="signs and phases",
    colour="#4010A8",
    marker="<",
    dash="-.",
    cost="assignments",
)(dihedral_match)


def input_moments(spec: Spec, options: DihedralOptions) -> dict[str, float]:
    """Weight in the objective of each tensor that has an incoming and an outgoing side."""
    found = {}
    for name, on in spec.axes.items():
        if len(on) > 1 and any(on):
            derived = SINE_MOMENT if on[1] else options.input_moment
            found[name] = derived if options.weighing == "derived" else 1.0
    return found


def _problem(
    spec: Spec,
    ref: State,
    other: State,
    half: float | None,
    *,
    options: DihedralOptions,
    moments: Mapping[str, Moments] | None,
) -> Problem:
    weights = input_moments(spec, options)
    if moments is None:
        return Problem(spec, ref, other, weights, options.bias, half)
    return MeasuredProblem(spec, ref, other, weights, options.bias, half, moments)


def _part(moments: Mapping[str, Moments] | None, part: slice) -> dict[str, Moments] | None:
    """Moments of some pairs, with a leading dimension of pairs."""
    if moments is None:
        return None
    stacks = {n: (m.mean, m.covariance) for n, m in moments.items()}
    if next(iter(moments.values())).mean.ndim == 1:
        stacks = {n: (mean[None], covariance[None]) for n, (mean, covariance) in stacks.items()}
    return {n: Moments(mean[part], covariance[part]) for n, (mean, covariance) in stacks.items()}


def _start(
    spec: Spec,
    init: Dihedral | Permutation | None,
    sizes: dict[str, int],
    models: int | None,
    *,
    omega: float,
    options: DihedralOptions,
) -> tuple[dict[str, Tensor], ...]:
    """Permutations and the two signs to start from, ``[models units]``, if they are given."""
    if init is None:
        return ()
    first = Dihedral.of(init, omega=omega) if isinstance(init, Permutation) else init
    if first.spec != spec or first.sizes != sizes or first.omega != omega:
        remedy = f"must move groups of sizes {sizes} at omega={omega}"
        raise InputError("init", (first.sizes, first.omega), remedy)
    if first.models not in (None, models):
        raise InputError("init", f"{first.models} models", f"must be single or a stack of {models}")
    outer = first.signs if options.moves == "sign" else first.outer
    parts = (first.perms, first.signs, outer)
    return tuple({g: t.long().expand(models or 1, -1) for g, t in part.items()} for part in parts)


def _check(spec: Spec, omega: float, options: DihedralOptions) -> None:
    if not spec.groups:
        raise InputError("spec", list(spec.axes), "has no group of units; there is nothing to move")
    if not 0 < omega < math.inf:
        raise InputError("omega", omega, "must be a positive, finite frequency")
    for group in biases(spec):
        axes = {min(axis, 1) for name, axis in spec.occurrences(group) if len(spec.axes[name]) > 1}
        twice = any(list(on).count(group) > 1 for on in spec.axes.values())
        if twice or axes != {0, 1}:
            remedy = "needs incoming and outgoing weights, in different tensors"
            raise InputError("spec", group, remedy)
    for name, known in (("moves", ("sign", "sign-phase")), ("weighing", ("derived", "plain"))):
        if getattr(options, name) not in known:
            raise InputError(f"options.{name}", getattr(options, name), f"choose one of {known}")
    for name in ("input_moment", "bias"):
        if not 0 < getattr(options, name) < math.inf:
            raise InputError(f"options.{name}", getattr(options, name), "must be positive")
    options.check(spec)
