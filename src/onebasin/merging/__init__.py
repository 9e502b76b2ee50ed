"""Many networks into one."""

from __future__ import annotations

from onebasin.merging.many import ManyOptions, Merged, merge_many

__all__ = ["ManyOptions", "Merged", "merge_many"]
