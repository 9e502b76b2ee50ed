"""Data packs: ``.npz`` files in a folder named by ``ONEBASIN_DATA``, known by name and checksum.

A pack is looked up by file name, checked against its SHA-256 the first time a process reads it, and
opened with ``allow_pickle=False``. Records name a pack and its checksum, never a path.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onebasin import files
from onebasin.errors import CorruptFileError, InputError, MissingDataError

_RESEARCH = "models collected from the web by Princeton; rights with their authors; research only"
_MODELNET = "ModelNet40, Z. Wu et al., 3D ShapeNets, CVPR 2015"


@dataclass(frozen=True)
class Pack:
    """One data file.

    Args:
        name: File name without ``.npz``.
        sha256: Checksum of the file, 64 hex digits.
        size: Bytes.
        origin: Data set and authors.
        terms: What its authors allow.
        note: What every record made from it must say, empty if nothing.
    """

    name: str
    sha256: str
    size: int
    origin: str
    terms: str
    note: str = ""

    @property
    def file(self) -> str:
        """File name, as records give it."""
        return f"{self.name}.npz"


_ALL = (
    Pack(
        "mnist",
        "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
        11_490_519,
        "MNIST, Y. LeCun, C. Cortes, C. Burges",
        "usually given as CC BY-SA 3.0",
    ),
    Pack(
        "cifar10_jpeg",
        "b4d07be5744eb39353a0234195cbff3d1f295dbe9629f1d17cb7bc5a4e64b14c",
        18_085_515,
        "CIFAR-10, A. Krizhevsky, 2009",
        "no formal licence; cite the report",
        "lossy JPEG copy of CIFAR-10 (median PSNR 30 dB), in another order than the original",
    ),
    Pack(
        "tiny_imagenet20_jpeg",
        "c39948a7f3046dbaf6390abe143b0d8dd9c7d5476cd3d9464b6f4b62009121a2",
        14_795_420,
        "Tiny ImageNet (Stanford CS231n), a subset of ImageNet",
        "non-commercial research and teaching",
        "20 of the 200 classes",
    ),
    Pack(
        "modelnet40_points1024_train",
        "830ee51acf490e55001095d7386d792e091a52dfc787961400f498bd971afa8e",
        53_996_679,
        _MODELNET,
        _RESEARCH,
    ),
    Pack(
        "modelnet40_points1024_test",
        "101fd8f34124a3268000eee461d869385c9e5bca784052be36dafecf34655def",
        13_491_905,
        _MODELNET,
        _RESEARCH,
    ),
    Pack(
        "modelnet40_subset1024",
        "5ba58364af366f4836a03292f6738848fee43e72070388f6b02120e47b8c79ca",
        1_239_956,
        _MODELNET,
        _RESEARCH,
    ),
    Pack(
        "modelnet40_meshes",
        "ffd5f98fac790f1419b38fb3a6efc4da881a9a46bec60b43473509c23c2dd852",
        3_896_756,
        _MODELNET,
        _RESEARCH,
    ),
    Pack(
        "modelnet40_dense20k",
        "11169ccd7c4a8efce1fd4268bc94816ffe554b2b36a33bb43693ec4106ffee92",
        5_782_771,
        _MODELNET,
        _RESEARCH,
    ),
    Pack(
        "modelnet40_airplanes10k",
        "65667239787c2ab3e3ccc6a18b46c6b4376efab78fba0c655b3280ed22c24e4c",
        7_886_538,
        _MODELNET + ", resampled by C. Qi et al., 2017",
        _RESEARCH,
    ),
    Pack(
        "classic_meshes",
        "75942fb705f9983731958ecb2660412c9e00eaf2b3304093d0acc93169a2af81",
        1_460_457,
        "ten well-known graphics test meshes",
        "differ by model: spot is CC0, the bunny for research with credit, others unstated",
    ),
)

PACKS: dict[str, Pack] = {pack.name: pack for pack in _ALL}
_checked: dict[tuple[str, int, int], str] = {}


def pack(name: str) -> Pack:
    """The entry of the table of packs called ``name`` (with or without ``.npz``).

    Raises:
        InputError: if there is none.
    """
    stem = name.removesuffix(".npz")
    if stem not in PACKS:
        raise InputError("pack", name, f"is not known; choose one of {sorted(PACKS)}")
    return PACKS[stem]


def data_folder() -> Path | None:
    """The folder named by ``ONEBASIN_DATA``, or None if the variable is not set."""
    named = os.environ.get("ONEBASIN_DATA")
    return Path(named).expanduser() if named else None


def locate(name: str) -> Path:
    """Path of a pack whose content is verified.

    Args:
        name: The pack's name.

    Returns:
        Path of the file; its checksum was compared once in this process and file state.

    Raises:
        InputError: if no pack has the name.
        MissingDataError: if the variable is unset or the file is not in the folder.
        CorruptFileError: if the content is not the one in the table.
    """
    entry, folder = pack(name), data_folder()
    if folder is None:
        raise MissingDataError(entry.file, "set ONEBASIN_DATA to a folder that holds it")
    path = folder / entry.file
    if not path.is_file():
        raise MissingDataError(entry.file, f"put it into the folder ONEBASIN_DATA names ({folder})")
    status = path.stat()
    if status.st_size != entry.size:
        remedy = f"it has {status.st_size} bytes where {entry.size} belong; get a fresh copy"
        raise CorruptFileError(path, remedy)
    state = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    if state not in _checked:
        _checked[state] = files.sha256(path)
    if _checked[state] != entry.sha256:
        raise CorruptFileError(
            path, f"its SHA-256 is not {entry.sha256[:12]}… as expected; get a fresh copy"
        )
    return path


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of a pack, by name; errors as in :func:`locate`."""
    path = locate(name)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise CorruptFileError(path, "it is not a NumPy archive; get a fresh copy") from error
