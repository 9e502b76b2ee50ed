"""Weight matching against a plain transcription and PyPI's ``rebasin``, and many pairs at once.

Run as ``python -m benchmarks.matching``.
"""

from __future__ import annotations

from functools import partial

import torch
from scipy.optimize import linear_sum_assignment

from benchmarks import common, peers
from benchmarks.plain import unavoidable, weight_matching
from onebasin.matching import activation_match, assignment, weight_match
from onebasin.matching.assignment import solve
from onebasin.matching.similarity import inner_product
from onebasin.networks import (
    Batches,
    Mlp,
    Siren,
    TrainOptions,
    initialise,
    stack,
    train,
    unstack,
)
from onebasin.parallel import spread
from onebasin.symmetry import Permutation, Spec, State, apply

WIDTHS = (784, 512, 512, 512, 10)
NETWORK = Mlp(WIDTHS)
SPEC: Spec = NETWORK.spec


def pairs() -> dict[str, tuple[State, State]]:
    """Three kinds of pair: random draws, a planted permutation with noise, trained on digits."""
    first, second = unstack(initialise(NETWORK, [0, 1]))
    generator = torch.Generator().manual_seed(0)
    planted = apply(Permutation.random(SPEC, SPEC.sizes(first), generator), first)
    noisy = {
        n: t + 0.5 * t.std() * torch.randn(t.shape, generator=generator) for n, t in planted.items()
    }
    return {
        "random": (first, second),
        "planted + noise": (first, noisy),
        "trained": tuple(unstack(trained(2))),
    }


def trained(models: int, steps: int = 150) -> dict[str, torch.Tensor]:
    """Networks trained on the 5,000 digits: each with its own start and order (2 to 3 s a pair)."""
    from onebasin.data.images import mnist5k

    images = mnist5k()
    x = (images.x.flatten(1).float() / 255).expand(models, -1, -1)
    y = images.y.expand(models, -1)
    batches = Batches(x, y, batch=250, seeds=[("bench-order", k) for k in range(models)])
    start = initialise(NETWORK, list(range(models)))
    options = TrainOptions(steps=steps, lr=1e-3)
    return train(NETWORK, start, batches, torch.nn.functional.cross_entropy, options).states


def one_pair(rounds: int) -> None:
    """One pair, three kinds, against the transcription and the package."""
    rows = []
    for kind, (ref, other) in pairs().items():
        wide = _wide(ref), _wide(other)
        needed, solved = unavoidable(SPEC, ref, partial(weight_match, SPEC, ref, other))
        runs = {
            "onebasin": lambda r=ref, o=other: weight_match(SPEC, r, o),
            "plain": lambda r=ref, o=other: weight_matching(SPEC, r, o),
            "plain, lapx": lambda r=ref, o=other: weight_matching(SPEC, r, o, assign=solve),
            "plain, float64": lambda r=wide[0], o=wide[1]: weight_matching(SPEC, r, o),
            "limit": needed,
        }
        taken = common.side_by_side(runs, rounds)
        found = weight_match(SPEC, ref, other)
        element, sweeps = weight_matching(SPEC, ref, other)
        inner = f"{inner_product(SPEC, ref, apply(element, other)):.7g}"
        told = {
            "onebasin": (int(found.sweeps), solved, f"{found.objective:.7g}"),
            "limit": ("", solved, ""),
        }
        for name, timing in taken.items():
            versus = common.ratio(timing, taken["onebasin"])
            more = told.get(name, (sweeps, sweeps * len(SPEC.groups), inner))
            rows.append((kind, name, common.milliseconds(timing), versus, *more))
        rows.append((kind, *package("rebasin", ref, other, taken["onebasin"], rounds=3)))
    heads = ("pair", "who", "ms best (median)", "times as long as onebasin")
    heads += ("sweeps", "assignments", "objective")
    common.show("Weight matching of one 784-512-512-512-10 pair", rows, heads)


def _wide(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def package(peer: str, ref: State, other: State, ours: common.Timing, *, rounds: int) -> tuple:
    """One row, less the kind of pair, on a package: time and the objective it reaches."""
    try:
        timing, found = peers.align(peer, "mlp", (ref, other), torch.randn(2, WIDTHS[0]), rounds)
    except RuntimeError as error:
        return (peer, "fails", str(error), "", "", "")
    value = f"{inner_product(SPEC, ref, found):.7g}"
    return (peer, common.milliseconds(timing), common.ratio(timing, ours), "", "", value)


def many_pairs(rounds: int, models: int = 32) -> None:
    """A stack of pairs against loops: of our own single calls, and of the transcription.

    The limit is what the products and assignments of all pairs need, a pair a thread.
    """
    rows = []
    for width in (64, 512):
        network = Mlp((784, width, width, width, 10))
        spec = network.spec
        refs = unstack(initialise(network, list(range(models))))
        others = unstack(initialise(network, list(range(100, 100 + models))))
        stacks, both = (stack(refs), stack(others)), list(zip(refs, others, strict=True))

        def plain(assign=None, spec=spec, both=both) -> None:
            for ref, other in both:
                weight_matching(spec, ref, other, assign=assign)

        needed = [
            unavoidable(spec, ref, partial(weight_match, spec, ref, other))[0]
            for ref, other in both[:8]
        ] * (models // 8)
        runs = {
            "stack": lambda spec=spec, s=stacks: weight_match(spec, *s),
            "loop of our single calls": lambda spec=spec, both=both: [
                weight_match(spec, ref, other) for ref, other in both
            ],
            "loop of plain": plain,
            "loop of plain, lapx": lambda run=plain: run(assign=solve),
            "limit": lambda works=needed: spread(lambda work: work(), works, torch.device("cpu")),
        }
        taken = common.side_by_side(runs, rounds)
        for name, timing in taken.items():
            versus = common.ratio(timing, taken["stack"])
            size = f"{models} random, width {width}"
            rows.append((size, name, common.milliseconds(timing), versus))
    heads = ("pairs", "how", "ms best (median)", "times as long as the stack")
    common.show("Weight matching of 32 pairs", rows, heads)


def inrs(rounds: int, points: int = 10_000) -> None:
    """Weight and activation matching of two networks of the thesis's shape, 4 layers of 512."""
    network = Siren(512)
    ref, other = unstack(initialise(network, [0, 1]))
    x = torch.rand(points, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    runs = {
        "weight": lambda: weight_match(network.spec, ref, other),
        "activation": lambda: activation_match(network.spec, ref, other, network=network, data=x),
    }
    taken = common.side_by_side(runs, rounds)
    rows = [(name, f"{timing.best:.2f} ({timing.middle:.2f})") for name, timing in taken.items()]
    common.show(f"Two INRs of width 512, {points:,} points", rows, ("method", "s best (median)"))


def solvers(rounds: int, units: int = 512) -> None:
    """The two assignment solvers on kinds of similarity; one thread each."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(units, 784, generator=generator).double() for _ in "ab")
    dead = torch.rand(units, 1, generator=generator) < 0.3
    kinds = {
        "two random layers": a @ b.T,
        "planted, noisy": a @ (a[torch.randperm(units, generator=generator)] + 8 * b).T,
        "aligned already": a @ (a + 6 * b).T,
        "activations after ReLU": (a - 1).relu() @ (b - 1).relu().T,
        "30 % of the units dead": torch.where(dead, 0.0, a @ b.T),
    }
    jonker_volgenant = assignment._lapjvr()
    if jonker_volgenant is None:
        print("\nlapx is not installed: SciPy's solver is used for everything.")
        return
    rows = []
    for kind, similarity in kinds.items():
        cost = (-similarity).numpy()
        runs = {
            "scipy": lambda c=cost: linear_sum_assignment(c),
            "lapjvr": lambda c=cost: jonker_volgenant(c),
        }
        taken = common.side_by_side(runs, rounds)
        rows.append(
            (
                kind,
                *(common.milliseconds(taken[name]) for name in runs),
                common.ratio(taken["scipy"], taken["lapjvr"]),
            )
        )
    heads = ("similarity, 512 units", "SciPy, ms", "lapjvr, ms", "SciPy / lapjvr")
    common.show("Assignment solvers", rows, heads)


def main(rounds: int = 5) -> None:
    """Print all tables."""
    solvers(rounds)
    one_pair(rounds)
    many_pairs(max(2, rounds // 2))
    inrs(rounds)


if __name__ == "__main__":
    print(common.machine())
    main()
