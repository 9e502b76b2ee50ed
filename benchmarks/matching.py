"""Weight matching against a plain transcription and PyPI's ``rebasin``, and many pairs at once.

Run as ``python -m benchmarks.matching``.
"""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment

from benchmarks import common, peers
from onebasin.matching import WeightOptions, assignment, weight_match
from onebasin.matching.assignment import solve
from onebasin.matching.descent import sweep_orders
from onebasin.matching.similarity import inner_product
from onebasin.networks import Batches, Mlp, TrainOptions, initialise, stack, train, unstack
from onebasin.symmetry import Permutation, Spec, State, apply

WIDTHS = (784, 512, 512, 512, 10)
NETWORK = Mlp(WIDTHS)
SPEC: Spec = NETWORK.spec


def plain_weight_matching(ref: State, other: State, seed: int = 0, assign=None):
    """The published algorithm as plainly, and as fast, as a loop over state dicts can be written.

    float32 as in the original; every similarity computed anew, SciPy's assignment.
    """
    perms = {g: torch.arange(units) for g, units in SPEC.sizes(ref).items()}
    orders = sweep_orders(SPEC, WeightOptions(), seed, 0)
    for sweep in count(1):
        progress = False
        for group in next(orders):
            units, dtype = len(perms[group]), next(iter(ref.values())).dtype
            similarity = torch.zeros(units, units, dtype=dtype)
            for name, axis in SPEC.occurrences(group):
                mine, theirs = ref[name], other[name]
                for place, near in enumerate(SPEC.axes[name]):
                    if place != axis and near is not None:
                        theirs = theirs.index_select(place, perms[near])
                if mine.ndim == 1:
                    similarity.addr_(mine, theirs)
                elif axis == 0:
                    similarity.addmm_(mine, theirs.T)
                else:
                    similarity.addmm_(mine.T, theirs)
            rows = torch.arange(len(similarity))
            if assign is None:
                found = linear_sum_assignment(similarity.numpy(), maximize=True)[1]
                new = torch.from_numpy(found)
            else:
                new = assign(similarity)
            gain = similarity[rows, new].sum() - similarity[rows, perms[group]].sum()
            progress |= gain.item() > 1e-12
            perms[group] = new
        if not progress or sweep == 100:
            return Permutation(SPEC, perms), sweep
    return None


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


def unavoidable(ref: State, other: State):
    """The work that no order of doing it avoids: each product once, and every assignment.

    Returns a function that does it and nothing else, in float64.
    """
    import onebasin.matching.descent as module

    seen: list[torch.Tensor] = []
    module.solve = lambda similarity: seen.append(similarity.clone()) or solve(similarity)
    try:
        weight_match(SPEC, ref, other)
    finally:
        module.solve = solve
    sides = [[state[f"layers.{k}.weight"].double() for k in range(4)] for state in (ref, other)]

    def work() -> None:
        for k, (mine, theirs) in enumerate(zip(*sides, strict=True)):
            if k < 3:
                mine @ theirs.T
            if k > 0:
                mine.T @ theirs
        for similarity in seen:
            solve(similarity)

    return work


def one_pair(rounds: int) -> None:
    """One pair, three kinds, against the transcription and the package."""
    rows = []
    for kind, (ref, other) in pairs().items():
        wide = _wide(ref), _wide(other)
        runs = {
            "limit": unavoidable(ref, other),
            "onebasin": lambda r=ref, o=other: weight_match(SPEC, r, o),
            "plain": lambda r=ref, o=other: plain_weight_matching(r, o),
            "plain, lapx": lambda r=ref, o=other: plain_weight_matching(r, o, assign=solve),
            "plain, float64": lambda r=wide[0], o=wide[1]: plain_weight_matching(r, o),
        }
        taken = common.side_by_side(runs, rounds)
        found = weight_match(SPEC, ref, other)
        element, sweeps = plain_weight_matching(ref, other)
        rows.append(
            (
                kind,
                "onebasin",
                common.milliseconds(taken["onebasin"]),
                "1",
                int(found.sweeps),
                f"{found.objective:.4f}",
            )
        )
        inner = f"{inner_product(SPEC, ref, apply(element, other)):.4f}"
        for name in ("plain", "plain, lapx", "plain, float64"):
            versus = common.ratio(taken[name], taken["onebasin"])
            rows.append((kind, name, common.milliseconds(taken[name]), versus, sweeps, inner))
        rows.append(_package(kind, ref, other, taken["onebasin"], rounds))
        versus = common.ratio(taken["limit"], taken["onebasin"])
        rows.append((kind, "limit", common.milliseconds(taken["limit"]), versus, "", ""))
    heads = ("pair", "who", "ms best (median)", "times as long as onebasin", "sweeps", "objective")
    common.show("Weight matching of one 784-512-512-512-10 pair", rows, heads)


def _wide(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def _package(kind: str, ref: State, other: State, ours: common.Timing, rounds: int) -> tuple:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair.safetensors")
        sides = {"ref": ref, "other": other}
        save_file(
            {f"{s}.{n}": t.contiguous() for s, state in sides.items() for n, t in state.items()},
            path,
        )
        script = Path(__file__).with_name("peer_rebasin.py")
        try:
            told = peers.call(
                "rebasin", script, str(path), str(min(rounds, 3)), str(torch.get_num_threads())
            )
        except RuntimeError as error:
            return (kind, "rebasin 0.0.47", "not run", str(error), "", "")
    taken = common.Timing(tuple(told["descent"]))
    versus = common.ratio(taken, ours)
    inner = f"{told['inner']:.4f}"
    return (kind, "rebasin 0.0.47", common.milliseconds(taken), versus, "", inner)


def many_pairs(rounds: int, models: int = 32) -> None:
    """A stack of pairs against a loop of our own single calls."""
    rows = []
    for width in (64, 512):
        network = Mlp((784, width, width, width, 10))
        refs = unstack(initialise(network, list(range(models))))
        others = unstack(initialise(network, list(range(100, 100 + models))))
        stacks = stack(refs), stack(others)
        runs = {
            "stack": lambda n=network, s=stacks: weight_match(n.spec, *s),
            "loop": lambda n=network, a=refs, b=others: [
                weight_match(n.spec, ref, other) for ref, other in zip(a, b, strict=True)
            ],
        }
        taken = common.side_by_side(runs, rounds)
        for name in ("stack", "loop"):
            versus = common.ratio(taken[name], taken["stack"])
            rows.append(
                (f"{models} random, width {width}", name, common.milliseconds(taken[name]), versus)
            )
    heads = ("pairs", "how", "ms best (median)", "times as long as the stack")
    common.show("Weight matching of 32 pairs", rows, heads)


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


if __name__ == "__main__":
    print(common.machine())
    main()
