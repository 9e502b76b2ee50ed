"""HYPER-MATCHING at the thesis's size: the time of a step, and what products and sines need.

Run as ``python -m benchmarks.hyper``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from benchmarks import common
from benchmarks.fitting import data, limit_seconds, sine_rate
from onebasin.networks import Siren, initialise, unstack
from onebasin.shapes.hyper import HyperOptions, hyper_match

STEPS = 2


def main(rounds: int = 2) -> None:
    """Print the table."""
    network = Siren(512)
    ref, other = unstack(initialise(network, [0, 1]))
    points, labels = (side[0] for side in data(1))
    rates = common.gemm_rate(torch.float32), sine_rate()
    rows = []
    for source, batch in (("encoder", 2_500), ("free", 2_500), ("encoder", 10_000)):
        options = HyperOptions(batch=batch, source=source, watch=1000)  # type: ignore[arg-type]
        runs = {  # the difference is free of what comes before the first step
            steps: partial(
                hyper_match,
                network,
                ref,
                other,
                (points, labels),
                options=replace(options, steps=steps),
            )
            for steps in (1, 1 + STEPS)
        }
        taken = common.side_by_side(runs, rounds)  # type: ignore[arg-type]
        step = (taken[1 + STEPS].best - taken[1].best) / STEPS  # type: ignore[index]
        limit = limit_seconds(512, options.lambdas + 1, 1, batch, rates)
        whole = f"{step * HyperOptions.steps / 60:.0f}"
        rows.append((source, f"{batch:,}", f"{step:.2f}", f"{limit / step:.0%}", whole))
    heads = (
        "what emits the weights",
        "points",
        "s a step",
        "share of limit",
        "min for 1,000 steps",
    )
    common.show("HYPER-MATCHING, width 512 (thesis: 2 minutes on a 2080 Ti)", rows, heads)


if __name__ == "__main__":
    print(common.machine())
    main()
