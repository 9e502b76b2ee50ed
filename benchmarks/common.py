"""What all benchmarks share: interleaved timing, machine facts, tables."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Timing:
    """Wall seconds of one candidate, one per round."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The fastest round: the one least disturbed by the rest of the machine."""
        return min(self.seconds)

    @property
    def middle(self) -> float:
        """The median round."""
        return sorted(self.seconds)[len(self.seconds) // 2]


def side_by_side(runs: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, Timing]:
    """Time candidates in turn, round after round, after one round that does not count.

    Taking turns spreads what else the machine does over all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}


def machine() -> str:
    """One line on the machine: processor, cores, torch and its threads, matrix products."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        names = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    rates = ", ".join(
        f"{gemm_rate(dtype) / 1e9:.0f} GFLOP/s {name}"
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64))
    )
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{model}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads; 1024^3 products at {rates}"
    )


def gemm_rate(dtype: torch.dtype, size: int = 1024, rounds: int = 5) -> float:
    """Floating-point operations a second of a square matrix product, best of a few."""
    left, right = torch.randn(2, size, size).to(dtype)
    timing = side_by_side({"product": lambda: left @ right}, rounds)["product"]
    return 2 * size**3 / timing.best


def show(title: str, rows: list[tuple], heads: tuple[str, ...]) -> None:
    """Print one table in Markdown."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def milliseconds(timing: Timing) -> str:
    """Best and median, e.g. ``12.3 (13.0)``."""
    return f"{timing.best * 1e3:.1f} ({timing.middle * 1e3:.1f})"


def ratio(base: Timing, ours: Timing) -> str:
    """How many times faster ours is: of the best rounds, and of the medians."""
    return f"{base.best / ours.best:.2f} ({base.middle / ours.middle:.2f})"
