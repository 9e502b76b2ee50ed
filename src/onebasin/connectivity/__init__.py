"""What lies between networks: the loss along paths, and what is measured on it."""

from __future__ import annotations

from onebasin.connectivity.barrier import auc, barrier, excess, mean_barrier, peaks
from onebasin.connectivity.line import Line, interpolate, loss_along_line

__all__ = [
    "Line",
    "auc",
    "barrier",
    "excess",
    "interpolate",
    "loss_along_line",
    "mean_barrier",
    "peaks",
]
