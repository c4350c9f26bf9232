"""The bytes of datasets: files named by their sha256. An object store fits behind the same three verbs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast


class Outputs:
    """What jobs have made beside models, a file a job, in a folder that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def writing(self, job_id: str) -> Iterator[BinaryIO]:
        """A file that becomes the job's output when the block ends well, and else is gone."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".new-", delete=False) as file:
            try:
                yield cast("BinaryIO", file)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._folder / job_id)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def open(self, job_id: str) -> BinaryIO:
        """The job's output; raises MissingBytes."""
        try:
            return (self._folder / job_id).open("rb")
        except FileNotFoundError:
            raise MissingBytes(f"the output of {job_id} is gone") from None

    def delete(self, job_id: str) -> None:
        """Removes the job's output, if it is there."""
        (self._folder / job_id).unlink(missing_ok=True)


class MissingBytes(Exception):
    """No bytes are stored under this digest."""


class DamagedBytes(Exception):
    """The stored bytes are not the ones that were put."""


class Storage:
    """Bytes by digest in a folder that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def used_by(self, user: str) -> None:
        """Notes that the database `user` keeps its datasets here: a folder of two is swept by neither."""
        (self._folder / ".used-by").mkdir(mode=0o700, exist_ok=True)
        (self._folder / ".used-by" / user).touch()

    def put(self, data: bytes) -> str:
        """Stores bytes and gives their digest; the same bytes twice are stored once."""
        digest = sha256(data).hexdigest()
        path = self._path(digest)
        if _touched(path):
            return digest
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._write(path, data)
        return digest

    def read(self, digest: str) -> bytes:
        """The bytes of a digest. Raises MissingBytes, or DamagedBytes if the disk has changed them."""
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise MissingBytes(f"no bytes are stored under {digest}") from None
        if sha256(data).hexdigest() != digest:
            raise DamagedBytes(f"the bytes stored under {digest} are damaged")
        return data

    def delete(self, digest: str) -> None:
        """Removes the bytes of a digest, if they are there."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        # Written beside and renamed: a crash leaves the whole file or none.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


def _touched(path: Path) -> bool:
    """Makes a file young, if it is there: what is old and has no row counts as an orphan."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
