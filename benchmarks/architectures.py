"""Weight matching of several architectures against other people's packages and a plain loop.

Run as ``python -m benchmarks.architectures``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import common, peers
from benchmarks.plain import unavoidable, weight_matching
from onebasin.matching import weight_match
from onebasin.matching.assignment import solve
from onebasin.matching.similarity import inner_product
from onebasin.networks import READY, Mlp, ResNet, initialise, stack, unstack
from onebasin.symmetry import Permutation, Spec, State, apply

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": partial(Mlp, (784, 512, 512, 512, 10)),
    "resnet20": READY["resnet20"].make,
    "resnet20x4": partial(ResNet, 20, 4),
    "vgg16": READY["vgg16"].make,
    "resnet50": READY["resnet50"].make,
}
INPUTS = {"mlp": (2, 784), "resnet50": (2, 3, 224, 224)}
NOISE = 0.5
HOW_LONG = "times as long as onebasin"


def planted(network: nn.Module) -> tuple[State, State]:
    """A network, and the same under a random permutation with noise on every weight."""
    generator = torch.Generator().manual_seed(0)
    ref = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    spec: Spec = network.spec  # type: ignore[assignment]
    moved = apply(Permutation.random(spec, spec.sizes(ref), generator), ref)

    def noisy(name: str, tensor: Tensor) -> Tensor:
        if name in spec.carried or tensor.numel() < 2:
            return tensor
        return tensor + NOISE * tensor.std() * torch.randn(tensor.shape, generator=generator)

    return ref, {name: noisy(name, tensor) for name, tensor in moved.items()}


def compare(name: str, rounds: int, others: tuple[str, ...]) -> list[tuple]:
    """Rows of one architecture."""
    network = NETWORKS[name]()
    spec: Spec = network.spec  # type: ignore[assignment]
    ref, other = planted(network)
    (_, mine), (_, theirs) = spec.unfold(ref), spec.unfold(other)
    moving = spec.matched
    mine, theirs = ({n: side[n].float() for n in moving.axes} for side in (mine, theirs))
    needed, solved = unavoidable(moving, mine, partial(weight_match, spec, ref, other))
    runs = {
        "onebasin": lambda: weight_match(spec, ref, other),
        "plain": lambda: weight_matching(moving, mine, theirs),
        "plain, lapx": lambda: weight_matching(moving, mine, theirs, assign=solve),
        "limit": needed,
    }
    taken = common.side_by_side(runs, rounds)
    found = weight_match(spec, ref, other)
    element, sweeps = weight_matching(moving, mine, theirs)
    again = inner_product(moving, mine, apply(element, theirs))
    told = {
        "onebasin": (int(found.sweeps), solved, f"{float(found.objective):.7g}"),
        "limit": ("", solved, ""),
    }
    every = (sweeps, sweeps * len(moving.groups), f"{float(again):.7g}")
    rows = []
    for who, timing in taken.items():
        versus = common.ratio(timing, taken["onebasin"])
        rows.append((name, who, common.milliseconds(timing), versus, *told.get(who, every)))
    for peer in others:
        inputs = torch.randn(INPUTS.get(name, (2, 3, 32, 32)))
        try:
            timing, state = peers.align(peer, name, (ref, other), inputs, min(rounds, 3))
        except RuntimeError as error:
            rows.append((name, peer, "fails", str(error), "", "", ""))
            continue
        versus = common.ratio(timing, taken["onebasin"])
        value = f"{float(inner_product(spec, ref, state)):.7g}"
        rows.append((name, peer, common.milliseconds(timing), versus, "", "", value))
    return rows


def stacks(rounds: int, models: int = 32) -> None:
    """Independent draws of the smallest residual network, many pairs at once."""
    network = NETWORKS["resnet20"]()
    spec: Spec = network.spec  # type: ignore[assignment]
    draws = unstack(initialise(network, list(range(2 * models))))
    refs, others = draws[:models], draws[models:]
    sides = stack(refs), stack(others)
    both = list(zip(refs, others, strict=True))
    plain = [tuple(spec.unfold(state)[1] for state in pair) for pair in both]
    moving = spec.matched
    runs = {
        "stack": lambda: weight_match(spec, *sides),
        "loop of our single calls": lambda: [weight_match(spec, *pair) for pair in both],
        "loop of plain, lapx": lambda: [weight_matching(moving, *p, assign=solve) for p in plain],
    }
    taken = common.side_by_side(runs, rounds)
    rows = [
        (name, common.milliseconds(timing), common.ratio(timing, taken["stack"]))
        for name, timing in taken.items()
    ]
    heads = ("how", "ms best (median)", "times as long as the stack")
    common.show(f"Weight matching of {models} random pairs of resnet20", rows, heads)


def main(rounds: int = 3) -> None:
    """Print the table."""
    rows = []
    for name in NETWORKS:
        others = ("rebasin", "sinkhorn-rebasin") if name == "mlp" else ("rebasin",)
        turns = 3 * rounds if name in ("mlp", "resnet20") else rounds
        rows += compare(name, turns, others)
    heads = (
        "network",
        "who",
        "ms best (median)",
        "times as long as onebasin",
        "sweeps",
        "assignments",
        "objective",
    )
    common.show("Weight matching, planted permutation with noise", rows, heads)


if __name__ == "__main__":
    print(common.machine())
    main()
