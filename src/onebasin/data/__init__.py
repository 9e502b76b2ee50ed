"""Data: packs with checksums, images, shapes. Nothing is read before a function is called."""

from __future__ import annotations

from onebasin.data.packs import PACKS, Pack, load, locate, pack

__all__ = ["PACKS", "Pack", "load", "locate", "pack"]
