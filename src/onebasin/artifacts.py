"""Things made once: a named recipe, its settings and its data give files that every chapter shares.

An artifact lives in ``<store>/<name>/<key>/`` as ``recipe.json`` and one safetensors file a shard.
The key is a hash of everything that decides the content, so a changed setting is another artifact.
Shards are made one by one, each written whole or not at all; a killed or stopped run goes on at
the first missing one, and two processes share the work.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onebasin import files
from onebasin.errors import CorruptFileError, InputError, RunError, SliceEnd
from onebasin.locks import lock

Build = Callable[[Mapping[str, Any]], Mapping[str, Tensor]]
_REMAKE = "delete it; the next run makes it again"


@dataclass(frozen=True)
class Recipe:
    """What an artifact is made from.

    Args:
        name: Folder name of the kind, e.g. ``"shape-inrs"``.
        params: Settings shared by all shards (JSON values only).
        data: SHA-256 of every data file that is read, by file name.
        shards: Settings of each shard, on top of ``params``.
        version: Raise it when the code that builds changes what it makes.
        budget_seconds: Time the whole recipe may take on its profile's machine.
    """

    name: str
    params: Mapping[str, Any]
    data: Mapping[str, str] = field(default_factory=dict)
    shards: Sequence[Mapping[str, Any]] = ({},)
    version: int = 1
    budget_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if not self.shards:
            raise InputError("shards", self.shards, "a recipe needs at least one shard")
        if not self.name or set(self.name) & set("/\\ "):
            raise InputError("name", self.name, "must be usable as a folder name")
        try:
            json.dumps(self.content(), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError("params", self.params, f"holds more than JSON values: {error}") from error

    def content(self) -> dict[str, Any]:
        """Everything that decides what the artifact holds, as JSON values."""
        return {
            "name": self.name,
            "params": dict(self.params),
            "data": dict(self.data),
            "shards": [dict(shard) for shard in self.shards],
            "version": self.version,
        }

    @property
    def key(self) -> str:
        """Sixteen hex digits that name this content."""
        text = json.dumps(self.content(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Artifact:
    """A finished artifact on disk.

    Args:
        recipe: What it was made from.
        folder: Where its files are.
        shard_seconds: Wall-clock time each shard took when it was made.
        device: Where it was made, e.g. ``"cpu, 2 threads"``.
        made: How many shards this call made itself; 0 if all were there.
    """

    recipe: Recipe
    folder: Path
    shard_seconds: tuple[float, ...]
    device: str
    made: int

    @property
    def seconds(self) -> float:
        """Time that making all shards took, on whatever machine made them."""
        return sum(self.shard_seconds)

    def __len__(self) -> int:
        return len(self.recipe.shards)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (self.load(index) for index in range(len(self)))

    def load(self, index: int) -> dict[str, Tensor]:
        """Tensors of shard ``index``, on the CPU.

        Raises:
            CorruptFileError: if the file is not what was written.
        """
        return _read(_shard_path(self.folder, index))[0]


@dataclass(frozen=True)
class Kind:
    """A kind of artifact the project knows, for the status page.

    Args:
        name: The ``name`` its recipes carry.
        summary: What it holds, in one line.
        budget_seconds: Time one such recipe may take.
    """

    name: str
    summary: str
    budget_seconds: float


KINDS: dict[str, Kind] = {}


def declare(name: str, summary: str, *, budget_seconds: float = 3600.0) -> Kind:
    """Name a kind of artifact, where its recipe is written; declaring the same again is fine.

    Raises:
        InputError: if the name stands for another kind already.
    """
    kind = Kind(name, summary, budget_seconds)
    if KINDS.setdefault(name, kind) != kind:
        raise InputError("name", name, "is declared already; choose another")
    return kind


def kinds() -> dict[str, Kind]:
    """Every declared kind, by name (loads the modules that declare them)."""
    with suppress(ModuleNotFoundError):
        import onebasin.shapes.recipes  # noqa: F401
    return dict(sorted(KINDS.items()))


def inventory(store: Path | None = None) -> list[dict[str, Any]]:
    """What the store holds: the ``recipe.json`` of every artifact, sorted by name and key."""
    root = store or store_folder()
    found = []
    for path in sorted(root.glob("*/*/recipe.json")):
        with suppress(CorruptFileError):
            found.append({**files.read_json(path, _REMAKE), "key": path.parent.name})
    return found


def store_folder() -> Path:
    """Where artifacts are: ``ONEBASIN_STORE``, or ``onebasin`` in the user's cache folder."""
    named = os.environ.get("ONEBASIN_STORE")
    if named:
        return Path(named).expanduser()
    mac = sys.platform == "darwin"
    cache = Path.home() / ("Library/Caches" if mac else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or cache) / "onebasin"


def make(
    recipe: Recipe,
    build: Build,
    *,
    store: Path | None = None,
    on_shard: Callable[[int, int, float], None] | None = None,
) -> Artifact:
    """Give the artifact of ``recipe``, making the shards that are missing or damaged.

    Args:
        recipe: What to make.
        build: Called with ``{**recipe.params, **shard}``; returns the shard's tensors.
        store: The store's folder; default :func:`store_folder`.
        on_shard: Called after each shard made here with its index, the number of shards, seconds.

    Returns:
        The artifact, all of whose shards were verified.

    Raises:
        SliceEnd: between shards, when ``ONEBASIN_DEADLINE`` (unix time) leaves no room for the
            next; what is finished is kept.
        RunError: if the disk is full.
    """
    folder = (store or store_folder()) / recipe.name / recipe.key
    total = len(recipe.shards)
    infos: dict[int, dict[str, str]] = {}
    mine: list[float] = []
    while len(infos) < total:
        before = len(infos)
        for index in (index for index in range(total) if index not in infos):
            info, seconds = _shard(recipe, build, folder, index, mine)
            if info is not None:
                infos[index] = info
            if seconds is not None:
                mine.append(seconds)
                _summarise(recipe, folder, infos)
                if on_shard is not None:
                    on_shard(index, total, seconds)
        if len(infos) == before:
            _check_deadline([1.0])
            time.sleep(0.5)  # another process is at work on what is missing
    _summarise(recipe, folder, infos)
    times = tuple(float(infos[index]["seconds"]) for index in range(total))
    devices = sorted({info["device"] for info in infos.values()})
    return Artifact(recipe, folder, times, "; ".join(devices), len(mine))


def _shard(
    recipe: Recipe, build: Build, folder: Path, index: int, mine: list[float]
) -> tuple[dict[str, str] | None, float | None]:
    """One shard's metadata (None: another process makes it) and our seconds, if made here."""
    path = _shard_path(folder, index)
    info = _verified(path)
    if info is not None:
        return info, None
    with files.full_disk(path), lock(folder / f"{path.stem}.lock") as free:
        if not free:
            return None, None
        info = _verified(path, warn=True)  # the last holder may have finished it
        if info is not None:
            return info, None
        _check_deadline(mine)
        files.remove_parts(path)
        start = time.perf_counter()
        tensors = build({**recipe.params, **recipe.shards[index]})
        seconds = time.perf_counter() - start
        return _write(path, tensors, seconds), seconds


def _check_deadline(mine: list[float]) -> None:
    """Stop if the slice ends before a shard like the slowest of ours could be finished."""
    deadline = float(os.environ.get("ONEBASIN_DEADLINE") or "inf")
    if time.time() + max(mine, default=0.0) > deadline:
        raise SliceEnd("the time slice is over: finished shards are stored; run again to go on.")


def _write(path: Path, tensors: Mapping[str, Tensor], seconds: float) -> dict[str, str]:
    from safetensors.torch import save

    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise RunError(f"the recipe's build returned no tensors for {path.name}; see its source.")
    devices = {value.device.type for value in tensors.values()}
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    info = {
        "seconds": repr(seconds),
        "device": f"{'/'.join(sorted(devices))}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "sha256": _fingerprint(held),
    }
    files.write(path, save(held, metadata=info))
    return info


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            info = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptFileError(path, _REMAKE) from error
    if info.get("sha256") != _fingerprint(tensors):
        raise CorruptFileError(path, _REMAKE)
    return tensors, info


def _verified(path: Path, warn: bool = False) -> dict[str, str] | None:
    """Metadata of a shard whose content matches its checksum, else None."""
    if not path.is_file():
        return None
    try:
        return _read(path)[1]
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


def _summarise(recipe: Recipe, folder: Path, infos: Mapping[int, Mapping[str, str]]) -> None:
    """Write ``recipe.json``: a summary for people and the status page, derived from the shards."""
    shards = {str(index): dict(info) for index, info in sorted(infos.items())}
    summary = {**recipe.content(), "budget_seconds": recipe.budget_seconds, "made": shards}
    files.write_json(folder / "recipe.json", summary)


def _shard_path(folder: Path, index: int) -> Path:
    return folder / f"{index:03d}.safetensors"
