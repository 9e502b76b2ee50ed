"""Clouds of 25 networks on a line read back at once, one by one, and without giving up early.

A single network is asked about 4,096 candidates at a time, which fills a CPU's kernels already;
what saves time there is to give up fields without a surface. Searching to the end of the budget is
timed for narrow networks only.

Run as ``python -m benchmarks.reconstruction``.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks import common
from onebasin.connectivity import stops
from onebasin.data import shapes as sources
from onebasin.matching import weight_match
from onebasin.networks import unstack
from onebasin.seeds import stream
from onebasin.shapes import Counts, fitting, reconstruction
from onebasin.symmetry import apply

SHAPE = "generated/chair_0"
STOPS = 25
OPTIONS = reconstruction.SearchOptions(points=256, rounds=80, seconds=None)


def line(width: int) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Networks on a weight-matched line between two INRs of one shape, fitted now."""
    settings = fitting.Settings(
        width=width, batch=250, steps=500 if width < 256 else 120, counts=Counts().scaled(20_000)
    )
    surface, network = sources.surface(SHAPE), settings.network()
    made, _ = fitting.fit([surface] * 2, [0, 2], shared=[True, False], settings=settings)
    ref, other = unstack(made.states)
    return network, stops(ref, apply(weight_match(network.spec, ref, other).element, other), STOPS)


def together(network, states, options):
    """The library's way: all fields in one search."""
    return reconstruction.reconstruct(network, states, streams(), options)


def one_by_one(network, states, options):
    """The same calls, a network at a time."""
    return [
        reconstruction.reconstruct(
            network, {n: t[k : k + 1] for n, t in states.items()}, [s], options
        )
        for k, s in enumerate(streams())
    ]


def streams() -> list[torch.Generator]:
    """The candidates of every stop."""
    return [stream("benchmark-line", k) for k in range(STOPS)]


def compare(width: int, rounds: int) -> list[tuple]:
    """Rows of the table for one width."""
    network, states = line(width)
    early = replace(OPTIONS, hopeless=1e-3, walkers=2 * OPTIONS.points)
    every = {
        "together, as the book does": lambda: together(network, states, early),
        "one by one, same budget": lambda: one_by_one(network, states, early),
    }
    if width < 256:
        every["one by one, to the end of the budget"] = lambda: one_by_one(network, states, OPTIONS)
    whole, alone = together(network, states, early), one_by_one(network, states, early)
    assert [bool(one.complete[0]) for one in alone] == whole.complete.tolist(), "the two disagree"
    taken = common.side_by_side(every, rounds)
    first = next(iter(taken.values()))
    unfinished = int((~whole.complete).sum())
    size = f"width {width}, {unfinished} of {STOPS} unfinished"
    return [
        (size, name, common.milliseconds(timing), common.ratio(timing, first))
        for name, timing in taken.items()
    ]


def main(rounds: int = 3) -> None:
    """Print the table."""
    rows = [row for width in (64, 256) for row in compare(width, rounds if width < 256 else 1)]
    heads = ("what", "who", "ms best (median)", "times as long as together")
    common.show(f"{OPTIONS.points} points from each of {STOPS} networks on a line", rows, heads)


if __name__ == "__main__":
    print(common.machine())
    main()
