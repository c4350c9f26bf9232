"""Bytes in a folder: files named by their sha256, and outputs by their jobs."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, cast

from service.storage.orphans import HALF_WRITTEN, remove_orphans
from service.storage.seam import DamagedBytes, Draft, MissingBytes, digest_of

COPIED_BYTES = 2**20


class FolderOutputs:
    """What jobs have made beside models, a file a job, in a folder that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_private(folder)

    @contextmanager
    def writing(self, job_id: str) -> Iterator[BinaryIO]:
        """A file that becomes the job's output when the block ends well, and else is gone."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=HALF_WRITTEN, delete=False) as file:
            try:
                yield cast("BinaryIO", file.file)
                _settle(cast("BinaryIO", file.file), Path(file.name), self._folder / job_id)
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

    def old(self, older_than_seconds: float) -> Iterator[str]:
        """The jobs whose outputs were written so long ago; what was cut short then is among them."""
        oldest = time.time() - older_than_seconds
        files = (file for file in self._folder.glob("*") if file.is_file())
        return (file.name for file in files if file.stat().st_mtime < oldest)


class FolderStorage:
    """Bytes by digest in a folder that only this user can read."""

    def __init__(self, folder: Path, outputs: Path | None = None) -> None:
        self._folder = folder
        self.outputs = FolderOutputs(outputs or folder.with_name("outputs"))
        make_private(folder)

    def used_by(self, user: str) -> None:
        """Notes that the database `user` keeps its datasets here: a folder of two is swept by neither."""
        (self._folder / ".used-by").mkdir(mode=0o700, exist_ok=True)
        (self._folder / ".used-by" / user).touch(mode=0o600)

    def put(self, data: bytes) -> str:
        """Stores bytes and gives their digest; the same bytes twice are stored once."""
        digest = sha256(data).hexdigest()
        if not _touched(self._path(digest)):
            with self.draft() as draft:
                draft.file.write(data)
                draft.keep(digest)
        return digest

    def put_file(self, file: BinaryIO) -> str:
        """Stores a file's bytes, however many, and gives their digest; the file is read from its start."""
        file.seek(0)
        with self.draft() as draft:
            copyfileobj(file, draft.file, COPIED_BYTES)
            return draft.keep()

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A file to be written, which is gone when the block ends without `keep`."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=HALF_WRITTEN, delete=False) as named:
            file, path = cast("BinaryIO", named.file), Path(named.name)
            try:
                yield Draft(file, lambda digest: _settle(file, path, self._place(digest)))
            finally:
                path.unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        path = self._path(digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return path

    def open(self, digest: str) -> BinaryIO:
        """The bytes of a digest as a file. Raises MissingBytes, or DamagedBytes if the disk changed them."""
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise MissingBytes(f"no bytes are stored under {digest}") from None
        if digest_of(file) != digest:
            file.close()
            raise DamagedBytes(f"the bytes stored under {digest} are damaged")
        file.seek(0)
        return file

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

    def remove_orphans(
        self, is_used: Callable[[str], bool], *, user: str, older_than_seconds: float, dry: bool = False
    ) -> int:
        """Removes, or with `dry` counts, bytes that nobody uses and that are old; how many."""
        return remove_orphans(
            self._folder, is_used, user=user, older_than_seconds=older_than_seconds, dry=dry
        )

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


def make_private(folder: Path) -> None:
    """Makes a folder that is the service's user's alone, and the one that it lies in."""
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)  # the mode is not that of missing parents


def _settle(file: BinaryIO, path: Path, name: Path) -> None:
    """Gives a file that was written to the end its name, once the disk has it."""
    file.flush()
    os.fsync(file.fileno())
    path.replace(name)


def _touched(path: Path) -> bool:
    """Makes a file young, if it is there: what is old and has no row counts as an orphan."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
