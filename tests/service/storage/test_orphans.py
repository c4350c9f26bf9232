"""Bytes that nothing uses go, all others stay: those of uploads on their way, and of other databases."""

import os
from pathlib import Path

import pytest

from service.storage import FolderStorage, MissingBytes
from service.storage.orphans import ASIDE, remove_orphans

DAY = 86_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


@pytest.fixture
def storage(folder: Path) -> FolderStorage:
    storage = FolderStorage(folder)
    storage.used_by("ours")
    return storage


def _path(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest


def _grow_old(path: Path) -> None:
    os.utime(path, (1, 1))


def _sweep(folder: Path, *used: str) -> int:
    return remove_orphans(folder, used.__contains__, user="ours", older_than_seconds=DAY)


def test_what_is_old_and_unused_goes(storage: FolderStorage, folder: Path) -> None:
    used, unused = storage.put(b"used"), storage.put(b"unused")
    for digest in (used, unused):
        _grow_old(_path(folder, digest))
    assert _sweep(folder, used) == 1
    assert storage.read(used) == b"used"
    with pytest.raises(MissingBytes):
        storage.read(unused)
    assert _sweep(folder, used) == 0


def test_a_dry_run_counts_what_a_sweep_removes(storage: FolderStorage, folder: Path) -> None:
    used, unused, aside = (storage.put(data) for data in (b"used", b"unused", b"of a sweep cut short"))
    path = _path(folder, aside)
    path = path.rename(path.with_name(ASIDE + aside))
    half = path.with_name(".new-1")
    half.write_bytes(b"half")
    for each in (_path(folder, used), _path(folder, unused), path, half):
        _grow_old(each)
    before = sorted(folder.rglob("*"))
    counted = remove_orphans(folder, {used}.__contains__, user="ours", older_than_seconds=DAY, dry=True)
    assert sorted(folder.rglob("*")) == before
    assert counted == _sweep(folder, used) == 3


def test_what_is_young_stays_for_its_row_may_be_on_the_way(storage: FolderStorage, folder: Path) -> None:
    digest = storage.put(b"bytes")
    assert _sweep(folder) == 0
    assert storage.read(digest) == b"bytes"


def test_an_upload_of_the_same_bytes_makes_an_orphan_young(storage: FolderStorage, folder: Path) -> None:
    digest = storage.put(b"bytes")
    _grow_old(_path(folder, digest))
    storage.put(b"bytes")
    assert _sweep(folder) == 0


def test_an_upload_in_the_middle_of_the_sweep_keeps_its_bytes(storage: FolderStorage, folder: Path) -> None:
    digest = storage.put(b"bytes")
    _grow_old(_path(folder, digest))
    looks: list[str] = []

    def is_used(asked: str) -> bool:
        looks.append(asked)
        return len(looks) > 1  # its row is there at the second look

    assert remove_orphans(folder, is_used, user="ours", older_than_seconds=DAY) == 0
    assert storage.read(digest) == b"bytes"
    _grow_old(_path(folder, digest))

    def upload(_asked: str) -> bool:
        storage.put(b"bytes")
        return False  # its row is not there yet

    assert remove_orphans(folder, upload, user="ours", older_than_seconds=DAY) == 0
    assert storage.read(digest) == b"bytes"


def test_where_another_database_keeps_files_nothing_is_removed(storage: FolderStorage, folder: Path) -> None:
    digest = storage.put(b"theirs")
    _grow_old(_path(folder, digest))
    storage.used_by("theirs")
    assert _sweep(folder) == 0
    assert storage.read(digest) == b"theirs"


def test_a_sweep_that_was_cut_short_is_taken_back(storage: FolderStorage, folder: Path) -> None:
    digest = storage.put(b"bytes")
    path = _path(folder, digest)
    path.rename(path.with_name(ASIDE + digest))
    assert _sweep(folder, digest) == 0
    assert storage.read(digest) == b"bytes"


def test_half_written_files_go_when_they_are_old(storage: FolderStorage, folder: Path) -> None:
    half = _path(folder, storage.put(b"bytes")).with_name(".new-1")
    half.write_bytes(b"hal")
    assert _sweep(folder) == 0
    _grow_old(half)
    assert _sweep(folder) == 1
    assert not half.exists()
