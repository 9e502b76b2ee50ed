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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onebasin import files, shards
from onebasin.errors import CorruptFileError, InputError, SliceEnd
from onebasin.locks import lock
from onebasin.provenance import device_name

Build = Callable[..., Mapping[str, Tensor]]


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
            remedy = f"must hold JSON values only ({error})"
            raise InputError("params", self.params, remedy) from error

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
        made_seconds: Time this call spent making them.
    """

    recipe: Recipe
    folder: Path
    shard_seconds: tuple[float, ...]
    device: str
    made: int
    made_seconds: float

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
        return shards.read(_path(self.folder, index))[0]


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
#: Modules in which recipes are written.
_DECLARING = (
    "onebasin.matching.recipes",
    "onebasin.networks.recipes",
    "onebasin.shapes.hyper_recipe",
    "onebasin.shapes.inr2vec_population",
    "onebasin.shapes.inr2vec_training",
    "onebasin.shapes.recipes",
)


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
    for module in _DECLARING:
        import_module(module)
    return dict(sorted(KINDS.items()))


def inventory(store: Path | None = None) -> list[dict[str, Any]]:
    """What the store holds: the ``recipe.json`` of every artifact, sorted by name and key."""
    root = store or store_folder()
    found = []
    for path in sorted(root.glob("*/*/recipe.json")):
        with suppress(CorruptFileError):
            found.append({**files.read_json(path, shards.REMEDY), "key": path.parent.name})
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
    device: torch.device | str = "cpu",
    on_shard: Callable[[int, int, float], None] | None = None,
    chained: bool = False,
) -> Artifact:
    """Give the artifact of ``recipe``, making the shards that are missing or damaged.

    Args:
        recipe: What to make.
        build: Called with ``{**recipe.params, **shard}``; returns the shard's tensors.
        chained: Whether each shard goes on from the one before it, such as slices of one training:
            ``build`` then gets that shard's tensors as well (None for the first).
        store: The store's folder; default :func:`store_folder`.
        device: Where ``build`` computes, for the notes on each shard.
        on_shard: Called after each shard made here with its index, the number of shards, seconds.

    Returns:
        The artifact, all of whose shards were verified.

    Raises:
        SliceEnd: between shards, when ``ONEBASIN_DEADLINE`` (unix time) leaves no room for the
            next; what is finished is kept.
        RunError: if the disk is full.
    """
    folder = (store or store_folder()) / recipe.name / recipe.key
    place = f"{device_name(str(device))}, {torch.get_num_threads()} threads"
    work = _Work(recipe, build, folder, place, chained)
    total = len(recipe.shards)
    while len(work.infos) < total:
        before = len(work.infos)
        for index in range(total):
            if index not in work.infos and work.settle(index) and on_shard is not None:
                on_shard(index, total, work.mine[-1])
            if chained and index not in work.infos:
                break  # another process makes it, and nothing can go on before
        if len(work.infos) == before:
            work.check_deadline(1.0)
            time.sleep(0.5)  # another process is at work on what is missing
    return work.finish()


@dataclass
class _Work:
    """One call of :func:`make`: the shards known to be sound, and the time our own took."""

    recipe: Recipe
    build: Build
    folder: Path
    place: str
    chained: bool = False
    infos: dict[int, dict[str, str]] = field(default_factory=dict)
    mine: list[float] = field(default_factory=list)

    def settle(self, index: int) -> bool:
        """Find or make a shard, unless another process is at it; whether it was made here."""
        path = _path(self.folder, index)
        info = shards.verified(path)
        if info is not None:
            self.infos[index] = info
            return False
        with files.full_disk(path), lock(path.with_suffix(".lock")) as free:
            info = shards.verified(path, warn=True) if free else None
            if info is not None:  # the last holder of the lock has just finished it
                self.infos[index] = info
            if not free or info is not None:
                return False
            self.infos[index] = self._make(path, index)
        self._summarise()
        return True

    def _make(self, path: Path, index: int) -> dict[str, str]:
        self.check_deadline(max(self.mine, default=0.0))
        files.remove_parts(path)
        start = time.perf_counter()
        values = {**self.recipe.params, **self.recipe.shards[index]}
        tensors = self.build(values, *self._before(index)) if self.chained else self.build(values)
        self.mine.append(time.perf_counter() - start)
        notes = {"seconds": repr(self.mine[-1]), "device": self.place}
        return shards.write(path, tensors, notes)

    def _before(self, index: int) -> tuple[dict[str, Tensor] | None]:
        return (shards.read(_path(self.folder, index - 1))[0] if index else None,)

    @staticmethod
    def check_deadline(needed: float) -> None:
        """Stop if ``needed`` seconds are no longer left in this slice."""
        if time.time() + needed > float(os.environ.get("ONEBASIN_DEADLINE") or "inf"):
            raise SliceEnd("the time slice is over: what is finished is kept; run again to go on.")

    def finish(self) -> Artifact:
        """The artifact; where nothing was made nothing is written: the store may be read-only."""
        if self.mine or not (self.folder / "recipe.json").is_file():
            self._summarise()
        infos = [self.infos[index] for index in sorted(self.infos)]
        times = tuple(float(info["seconds"]) for info in infos)
        places = "; ".join(sorted({info["device"] for info in infos}))
        return Artifact(self.recipe, self.folder, times, places, len(self.mine), sum(self.mine))

    def _summarise(self) -> None:
        """Write ``recipe.json``, for people and the status page; derived from the shards."""
        made = {str(index): info for index, info in sorted(self.infos.items())}
        content = {**self.recipe.content(), "budget_seconds": self.recipe.budget_seconds}
        files.write_json(self.folder / "recipe.json", {**content, "made": made})


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:03d}.safetensors"
