"""Named random streams. There is no global seed: a stream is its name and its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def _seed(name: str, ids: tuple[int, ...]) -> int:
    text = "/".join([name, *map(str, ids)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(name: str, *ids: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator of the random stream ``name/ids``; equal arguments give equal draws.

    Args:
        name: What is drawn, e.g. ``"init"`` or ``"data-order"``.
        ids: Numbers that tell streams of one name apart: seed, network, shape.
        device: Where the draws are made (the sequence depends on the kind of device).

    Returns:
        A fresh ``torch.Generator``, independent of every stream of another name or number.
    """
    return torch.Generator(device=device).manual_seed(_seed(name, ids))


def numpy_stream(name: str, *ids: int) -> np.random.Generator:
    """The same naming for NumPy; see :func:`stream`. The draws differ from torch's."""
    return np.random.default_rng(_seed(name, ids))


@contextmanager
def lent(generator: torch.Generator) -> Iterator[None]:
    """Let code that only draws from torch's global stream draw from ``generator`` meanwhile.

    The generator comes back advanced by what was drawn; the global stream comes back as it was,
    also where the code fails. It is one for all threads: only one of them may draw meanwhile.

    Args:
        generator: A generator on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(generator.get_state())
        yield
        generator.set_state(torch.random.get_rng_state())
