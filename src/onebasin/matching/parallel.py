"""Independent pieces of a stack on as many threads as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def spread(
    function: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device
) -> list[Result]:
    """``[function(piece) for piece in pieces]``, on the CPU one piece a thread.

    Matrix products and assignments release Python's lock. While it lasts, each thread works alone
    on its piece: a product inside is not split again. The results do not depend on the number of
    threads, because no piece is divided.

    Args:
        function: What to do; it must not share state between pieces.
        pieces: What to do it to.
        device: Where the tensors are; an accelerator gets one piece after the other.
    """
    threads = torch.get_num_threads()
    workers = min(len(pieces), threads) if device.type == "cpu" else 1
    if workers <= 1:
        return [function(piece) for piece in pieces]
    try:
        with ThreadPoolExecutor(workers, "match", torch.set_num_threads, (1,)) as pool:
            return list(pool.map(function, pieces))
    finally:
        torch.set_num_threads(threads)
