"""Matching over signs and phases against weight matching, on pairs of SIRENs 3-512-512-512-512-1.

Run as ``python -m benchmarks.dihedral``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import common
from onebasin.matching import dihedral_match, measure_moments, sign_match, weight_match
from onebasin.networks import Siren, initialise, train, unstack
from onebasin.networks.population import Batches, TrainOptions
from onebasin.symmetry import Dihedral, State, apply

NETWORK = Siren(512)
SPEC, OMEGA = NETWORK.spec, NETWORK.gain


def pairs() -> dict[str, tuple[State, State]]:
    """Random draws, a planted element with noise, and two fitted to one smooth function."""
    first, second = unstack(initialise(NETWORK, [0, 1]))
    generator = torch.Generator().manual_seed(0)
    sizes = SPEC.sizes(first)
    planted = apply(Dihedral.random(SPEC, sizes, generator, omega=OMEGA), first)
    noisy = {
        n: t + 0.3 * t.square().mean().sqrt() * torch.randn(t.shape, generator=generator)
        for n, t in planted.items()
    }
    return {"random": (first, second), "planted + noise": (first, noisy), "fitted": fitted()}


def fitted(steps: int = 100) -> tuple[State, State]:
    """Two SIRENs from different starts, fitted to the distance from a sphere."""
    x = 2 * torch.rand(5000, 3, generator=torch.Generator().manual_seed(1)) - 1
    y = (x.norm(dim=1, keepdim=True) - 0.5).abs()
    data = x.expand(2, -1, -1), y.expand(2, -1, -1)
    batches = Batches(*data, batch=250, seeds=[("bench-order", k) for k in range(2)])
    start, options = initialise(NETWORK, [0, 1]), TrainOptions(steps=steps)
    one, two = unstack(train(NETWORK, start, batches, torch.nn.functional.mse_loss, options).states)
    return one, two


def candidates(ref: State, other: State) -> dict[str, Callable[[], object]]:
    """The matchers side by side."""
    x = 2 * torch.rand(4000, 3, generator=torch.Generator().manual_seed(2)) - 1
    moments = measure_moments(NETWORK, SPEC, ref, x)
    return {
        "weight matching": lambda: weight_match(SPEC, ref, other),
        "signs": lambda: sign_match(SPEC, ref, other, omega=OMEGA),
        "signs and phases": lambda: dihedral_match(SPEC, ref, other, omega=OMEGA),
        "the same, measured": lambda: dihedral_match(
            SPEC, ref, other, omega=OMEGA, moments=moments
        ),
    }


def main() -> None:
    """Print milliseconds of every matcher, best of the rounds."""
    rows = []
    for name, pair in pairs().items():
        timings = common.side_by_side(candidates(*pair), rounds=5)
        rows.append((name, *(f"{1000 * timing.best:.0f}" for timing in timings.values())))
    heads = ("pair", *candidates(*pair))
    common.show("One pair of SIRENs, four hidden layers of 512 units (ms)", rows, heads)


if __name__ == "__main__":
    print(common.machine())
    main()
