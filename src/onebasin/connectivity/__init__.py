"""What lies between networks: the loss along paths, and what is measured on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy
from onebasin.connectivity.barrier import auc, barrier, excess, mean_barrier, peaks

if TYPE_CHECKING:
    from onebasin.connectivity.corrected import (
        CorrectedPath,
        corrected_barrier,
        loss_along_corrected_path,
    )
    from onebasin.connectivity.features import rank_likeness
    from onebasin.connectivity.line import Line, interpolate, loss_along_line
    from onebasin.connectivity.normalised import loss_along_normalised
    from onebasin.connectivity.predictions import answers, share_between, stops

__all__ = [
    "CorrectedPath",
    "Line",
    "answers",
    "auc",
    "barrier",
    "corrected_barrier",
    "excess",
    "interpolate",
    "loss_along_corrected_path",
    "loss_along_line",
    "loss_along_normalised",
    "mean_barrier",
    "peaks",
    "rank_likeness",
    "share_between",
    "stops",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "corrected": ["CorrectedPath", "corrected_barrier", "loss_along_corrected_path"],
        "features": ["rank_likeness"],
        "line": ["Line", "interpolate", "loss_along_line"],
        "normalised": ["loss_along_normalised"],
        "predictions": ["answers", "share_between", "stops"],
    },
)
