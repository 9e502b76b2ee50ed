"""Pairs of networks for other people's packages, read from a file; runs in their environments.

The library's source folder comes first on the command line, since its package is not installed
there; then the pair, the file to write to, the network's name, rounds and threads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


@dataclass
class Pair:
    """Two networks as modules, and where the result goes."""

    ref: torch.nn.Module
    other: torch.nn.Module
    inputs: torch.Tensor
    into: str
    names: tuple[str, ...]

    def save(self, found: torch.nn.Module) -> None:
        """Write the aligned network, by the names its tensors have in the library."""
        tensors = zip(self.names, found.state_dict().values(), strict=True)
        save_file({name: t.detach().contiguous() for name, t in tensors}, self.into)


def arguments() -> tuple[str, str, str, int]:
    """Path of the pair, path to write to, name of the network, rounds; threads are set."""
    source, pair, into, name, rounds, threads = sys.argv[1:]
    sys.path[:0] = [source, str(Path(source).parent)]
    torch.set_num_threads(int(threads))
    return pair, into, name, int(rounds)


def read(pair: str, into: str, name: str) -> Pair:
    """The two networks anew."""
    stored = load_file(pair)
    sides = [
        {key[len(side) :]: t for key, t in stored.items() if key.startswith(side)}
        for side in ("ref.", "other.")
    ]
    if name == "mlp":  # as a user would write it
        depth = len(sides[0]) // 2
        names = [f"layers.{k}.{part}" for k in range(depth) for part in ("weight", "bias")]
        shapes = [sides[0][f"layers.{k}.weight"].shape for k in range(depth)]
        make = partial(sequential, (shapes[0][1], *(shape[0] for shape in shapes)))
    else:
        from benchmarks.architectures import NETWORKS

        make = NETWORKS[name]
        names = list(make().state_dict())
    made = []
    for side in sides:
        module = make()
        values = (side[one] for one in names)
        module.load_state_dict(dict(zip(module.state_dict(), values, strict=True)))
        made.append(module.eval())
    return Pair(*made, stored["inputs"], into, tuple(names))


def sequential(widths: tuple[int, ...]) -> torch.nn.Sequential:
    """A multilayer perceptron."""
    parts: list[torch.nn.Module] = []
    for fan, units in pairwise(widths):
        parts += [torch.nn.Linear(fan, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])
