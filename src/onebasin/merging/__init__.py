"""Many networks into one."""

from __future__ import annotations

from onebasin.merging.cycle import CycleOptions, Universe, merge_cycle
from onebasin.merging.many import ManyOptions, Merged, merge_many

__all__ = ["CycleOptions", "ManyOptions", "Merged", "Universe", "merge_cycle", "merge_many"]
