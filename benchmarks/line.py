"""The loss along 25 points of a line against a loop that loads state dicts.

Run as ``python -m benchmarks.line``.
"""

from __future__ import annotations

import itertools

import torch
from torch.nn.functional import cross_entropy

from benchmarks import common
from onebasin.connectivity import loss_along_line
from onebasin.networks import Mlp, initialise, unstack

WIDTHS = (784, 512, 512, 512, 10)
LAMBDAS = 25


def plain_line(model, ref, other, inputs, targets) -> torch.Tensor:
    """Interpolate, load, run, once for each point; nothing else."""
    losses = []
    with torch.no_grad():
        for lam in torch.linspace(0, 1, LAMBDAS):
            model.load_state_dict({n: torch.lerp(ref[n], other[n], lam) for n in ref})
            losses.append(cross_entropy(model(inputs), targets).item())
    return torch.tensor(losses, dtype=torch.float64)


def sequential() -> torch.nn.Sequential:
    """The network as most people write it."""
    parts = []
    for fan, units in itertools.pairwise(WIDTHS):
        parts += [torch.nn.Linear(fan, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def limit_seconds(samples: int, rate: float) -> float:
    """Matrix products alone: the first layer at both ends, the others at every point."""
    layers = [2 * fan * units for fan, units in itertools.pairwise(WIDTHS)]
    return samples * (2 * layers[0] + LAMBDAS * sum(layers[1:])) / rate


def main(rounds: int = 5) -> None:
    """Print the table."""
    network, model, rows = Mlp(WIDTHS), sequential(), []
    ref, other = unstack(initialise(network, [0, 1]))
    names = dict(zip(ref, model.state_dict(), strict=True))
    plain = [{names[n]: t for n, t in state.items()} for state in (ref, other)]
    rate = common.gemm_rate(torch.float32)
    for samples in (1_000, 10_000):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.rand(samples, WIDTHS[0], generator=generator)
        targets = torch.randint(10, (samples,), generator=generator)
        data = (inputs, targets)
        runs = {
            "onebasin": lambda d=data: loss_along_line(network, ref, other, cross_entropy, d),
            "loop": lambda d=data: plain_line(model, *plain, *d),
        }
        ours, theirs = runs["onebasin"]().loss, runs["loop"]()
        assert torch.allclose(ours, theirs, rtol=1e-4), "the two disagree"
        taken = common.side_by_side(runs, rounds)
        taken["limit"] = common.Timing((limit_seconds(samples, rate),))
        for name, timing in taken.items():
            versus = common.ratio(timing, taken["onebasin"])
            rows.append((f"{samples:,}", name, common.milliseconds(timing), versus))
    heads = ("samples", "who", "ms best (median)", "times as long as onebasin")
    common.show("Loss along 25 points between two 784-512-512-512-10 networks", rows, heads)


if __name__ == "__main__":
    print(common.machine())
    main()
