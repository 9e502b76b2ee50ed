"""Independent pieces of a stack on as many threads as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def spread(
    function: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    device: torch.device,
    *,
    halt: Event | None = None,
) -> list[Result]:
    """``[function(piece) for piece in pieces]``, on the CPU one piece a thread.

    Matrix products and assignments release Python's lock. While it lasts, each thread works alone
    on its piece: a product inside is not split again. The results do not depend on the number of
    threads, because no piece is divided.

    Args:
        function: What to do; it must not share state between pieces.
        pieces: What to do it to.
        device: Where the tensors are; an accelerator gets one piece after the other.
        halt: Set when one piece fails or the user interrupts, for functions that take long and
            look at it now and then: what they return after that is thrown away.
    """
    threads = torch.get_num_threads()
    workers = min(len(pieces), threads) if device.type == "cpu" else 1
    if workers <= 1:
        return [function(piece) for piece in pieces]
    halt = halt or Event()
    gradients = torch.is_grad_enabled()  # which each thread would decide for itself

    def guarded(piece: Piece) -> Result:
        try:
            with torch.set_grad_enabled(gradients):
                return function(piece)
        except BaseException:
            halt.set()
            raise

    try:
        with ThreadPoolExecutor(workers, "onebasin", torch.set_num_threads, (1,)) as pool:
            try:
                return list(pool.map(guarded, pieces))
            except BaseException:  # an interrupt of the user arrives here
                halt.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)
