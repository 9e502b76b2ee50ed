"""Fitting many INRs at once against the fastest loop over single ones that we know to write.

Run as ``python -m benchmarks.fitting``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch.nn.functional import linear

from benchmarks import common
from onebasin.networks import Batches, Siren, TrainOptions, initialise, train, unstack
from onebasin.shapes.fitting import bce

SAMPLES = 20_000
OMEGA = 30.0


def data(nets: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points in the cube and labels, each network's own."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(nets, SAMPLES, 3, generator=generator) * 2 - 1
    return x, torch.rand(nets, SAMPLES, 1, generator=generator)


def plain_forward(parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """A SIREN as a few calls, without modules; the frequency goes into the small weights."""
    for k in range(0, len(parameters) - 2, 2):
        x = linear(x, parameters[k] * OMEGA, parameters[k + 1] * OMEGA).sin()
    return linear(x, parameters[-2], parameters[-1])


def plain_fit(state, x, y, steps: int, batch: int, piece: int) -> list[torch.Tensor]:
    """One network: shuffled once, batches in pieces that add up, fused Adam."""
    parameters = [tensor.clone().requires_grad_() for tensor in state.values()]
    adam = torch.optim.Adam(parameters, lr=1e-4, fused=True)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    for step in range(steps):
        start = step * batch % (len(x) - batch + 1)
        adam.zero_grad(set_to_none=True)
        for at in range(start, start + batch, piece):
            end = min(at + piece, start + batch)
            output = plain_forward(parameters, x[at:end])
            (bce(output, y[at:end]) * ((end - at) / batch)).backward()
        adam.step()
    return parameters


def together(network, states, x, y, steps: int, batch: int):
    """The library: the whole population in one call."""
    sample = Batches(x, y, batch=batch, seeds=[(k,) for k in range(len(x))])
    return train(network, states, sample, bce, TrainOptions(steps=steps))


def sine_rate(elements: int = 320_000) -> float:
    """Sines and cosines a second, in the cache: by torch, or by NumPy on as many threads."""
    angles = torch.rand(elements)
    there, array = torch.empty_like(angles), angles.numpy()
    runs = {
        "torch sin": lambda: torch.sin(angles, out=there),
        "torch cos": lambda: torch.cos(angles, out=there),
        "numpy sin": lambda: np.sin(array, out=there.numpy()),
        "numpy cos": lambda: np.cos(array, out=there.numpy()),
    }
    best = {name: timing.best for name, timing in common.side_by_side(runs).items()}
    torchs, numpys = (best[f"{who} sin"] + best[f"{who} cos"] for who in ("torch", "numpy"))
    return 2 * elements / min(torchs, numpys / torch.get_num_threads())


def limit_seconds(width: int, nets: int, steps: int, batch: int, rates: tuple) -> float:
    """Matrix products and sines alone: forward, and twice as many products backward."""
    products = 3 * 2 * batch * (3 * width + 3 * width**2 + width)
    sines = 2 * 4 * width * batch
    return nets * steps * (products / rates[0] + sines / rates[1])


def compare(width: int, nets: int, batch: int, rounds: int) -> list[tuple]:
    """Rows of the table for one size, an epoch each: library, two loops, and the limit."""
    steps = SAMPLES // batch
    network = Siren(width)
    states = initialise(network, range(nets))
    x, y = data(nets)
    singles = unstack(states)

    def loop(piece: int) -> None:
        for k, state in enumerate(singles):
            plain_fit(state, x[k], y[k], steps, batch, piece)

    def ours_one_by_one() -> None:
        for k in range(nets):
            one = {name: tensor[k : k + 1] for name, tensor in states.items()}
            together(network, one, x[k : k + 1], y[k : k + 1], steps, batch)

    runs = {
        "onebasin": lambda: together(network, states, x, y, steps, batch),
        "loop": lambda: loop(batch),
        "loop of our single calls": ours_one_by_one,
    }
    if batch * width > 640_000:
        runs["loop in pieces"] = lambda: loop(640_000 // width)
    taken = common.side_by_side(runs, rounds)
    rates = common.gemm_rate(torch.float32), sine_rate()
    limit = limit_seconds(width, nets, steps, batch, rates)
    per_step = 1e3 / (steps * nets)
    size = f"{nets} × width {width}, {batch:,} points"
    rows = []
    for name, timing in taken.items():
        versus = common.ratio(timing, taken["onebasin"])
        share = f"{limit / timing.best:.0%}"
        rows.append((size, name, f"{timing.best * per_step:.3f}", versus, share))
    return rows


def per_minute(rounds: int) -> None:
    """Whole fits in a minute: 500 steps of 2,500 points each, from a few steps of each width."""
    rows = []
    for width, nets, steps in ((64, 16, 6), (256, 4, 4), (512, 2, 3)):
        network = Siren(width)
        states, (x, y) = initialise(network, range(nets)), data(nets)
        run = {"fit": partial(together, network, states, x, y, steps, 2_500)}
        taken = common.side_by_side(run, rounds)["fit"].best / (nets * steps)
        rows.append((width, f"{60 / (500 * taken):.2f}"))
    common.show("INRs fitted a minute, 500 steps of 2,500 points", rows, ("width", "a minute"))


def main(rounds: int = 3) -> None:
    """Print the table."""
    rows = []
    for batch in (250, 2_500, 10_000):
        rows += compare(64, 16, batch, 3 * rounds)  # short runs need more of them
    for batch in (2_500, 10_000):
        rows += compare(512, 2, batch, rounds)
    heads = ("what", "who", "ms per net and step", "times as long as onebasin", "share of limit")
    common.show("Fitting INRs", rows, heads)
    per_minute(rounds)


if __name__ == "__main__":
    print(common.machine())
    main()
