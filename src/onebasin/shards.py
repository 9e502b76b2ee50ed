"""One file of an artifact: tensors with a checksum and a note of how they were made."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from onebasin import files
from onebasin.errors import CorruptFileError, RunError

REMEDY = "delete it; the next run makes it again"


def write(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> dict[str, str]:
    """Write a shard, whole or not at all.

    Args:
        path: Target, ``.safetensors``.
        tensors: What to store; moved to the CPU.
        notes: Words to store with it.

    Returns:
        The notes, with the torch version and the checksum.

    Raises:
        RunError: if there is nothing to store, or the disk is full.
    """
    from safetensors.torch import save

    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise RunError(f"the recipe's build returned no tensors for {path.name!r}: see its source.")
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    info = {**notes, "torch": torch.__version__, "sha256": _fingerprint(held)}
    files.write(path, save(held, metadata=info))
    return info


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a shard.

    Raises:
        CorruptFileError: if it is missing or not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            info = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptFileError(path, REMEDY) from error
    if info.get("sha256") != _fingerprint(tensors):
        raise CorruptFileError(path, REMEDY)
    return tensors, info


def verified(path: Path, *, warn: bool = False) -> dict[str, str] | None:
    """Notes of a shard whose content fits its checksum; None if it is missing or damaged.

    Args:
        path: The shard.
        warn: Whether to warn where it is damaged.
    """
    if not path.is_file():
        return None
    try:
        return read(path)[1]
    except CorruptFileError as error:
        if warn:
            warnings.warn(f"{error} Making it again.", RuntimeWarning, stacklevel=4)
        return None


def _fingerprint(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
