"""The storage: bytes by digest, whole or not at all."""

from hashlib import sha256
from pathlib import Path

import pytest

from service.storage import DamagedBytes, FolderStorage, MissingBytes
from service.storage.folder import FolderOutputs


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "datasets")


def test_what_was_put_is_read_again_by_its_digest(storage: FolderStorage) -> None:
    digest = storage.put(b"x1,x2\n1,2\n")
    assert digest == sha256(b"x1,x2\n1,2\n").hexdigest()
    assert storage.read(digest) == b"x1,x2\n1,2\n"


def test_the_same_bytes_are_stored_once(storage: FolderStorage, tmp_path: Path) -> None:
    assert storage.put(b"same") == storage.put(b"same")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_missing_bytes_are_named(storage: FolderStorage) -> None:
    with pytest.raises(MissingBytes, match="0000"):
        storage.read("0" * 64)


def test_bytes_that_the_disk_has_changed_are_refused(storage: FolderStorage, tmp_path: Path) -> None:
    digest = storage.put(b"true")
    next(tmp_path.rglob(digest)).write_bytes(b"false")
    with pytest.raises(DamagedBytes, match=digest):
        storage.read(digest)


def test_deleting_twice_is_no_fault(storage: FolderStorage) -> None:
    digest = storage.put(b"gone")
    storage.delete(digest)
    storage.delete(digest)
    with pytest.raises(MissingBytes):
        storage.read(digest)


def test_nobody_else_can_read_the_folder(storage: FolderStorage, tmp_path: Path) -> None:
    storage.put(b"private")
    assert (tmp_path / "datasets").stat().st_mode & 0o077 == 0


def test_a_file_is_stored_like_its_bytes_and_read_as_a_file(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "datasets")
    data = b"0123456789" * 100_000
    with (tmp_path / "upload").open("wb+") as file:
        file.write(data)
        digest = storage.put_file(file)
    assert digest == storage.put(data)
    with storage.open(digest) as stored:
        assert stored.read() == data
    (path,) = (each for each in (tmp_path / "datasets").rglob("*") if each.is_file())
    path.write_bytes(data[:-1])
    with pytest.raises(DamagedBytes):
        storage.open(digest)
    path.unlink()
    with pytest.raises(MissingBytes):
        storage.open(digest)


def test_an_output_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    outputs = FolderOutputs(tmp_path / "outputs")
    with outputs.writing("job_1") as file:
        file.write(b"whole")
    with outputs.open("job_1") as file:
        assert file.read() == b"whole"
    with pytest.raises(UnicodeEncodeError), outputs.writing("job_2") as file:
        file.write("half\ud800".encode())
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["job_1"]
    outputs.delete("job_1")
    with pytest.raises(MissingBytes):
        outputs.open("job_1")
