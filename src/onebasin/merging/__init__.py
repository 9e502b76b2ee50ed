"""Many networks into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.merging.cycle import CycleOptions, Universe, merge_cycle
    from onebasin.merging.many import ManyOptions, Merged, merge_many

__all__ = [
    "CycleOptions",
    "ManyOptions",
    "Merged",
    "Universe",
    "merge_cycle",
    "merge_many",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "cycle": ["CycleOptions", "Universe", "merge_cycle"],
        "many": ["ManyOptions", "Merged", "merge_many"],
    },
)
