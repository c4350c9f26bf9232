"""What the rooms above know of where bytes lie: datasets by their sha256, outputs of jobs by the job's id."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import file_digest, sha256
from typing import Any, BinaryIO, Protocol, cast


class MissingBytes(Exception):
    """No bytes are stored under this digest."""


class DamagedBytes(Exception):
    """The stored bytes are not the ones that were put."""


class StorageAway(Exception):
    """The store does not answer, or does not let us in."""


class Draft:
    """A file on its way into the storage; `file` may be read and written, and is one of the system's own."""

    def __init__(self, file: BinaryIO, settle: Callable[[str], None]) -> None:
        self.file, self._settle = file, settle

    def keep(self, digest: str | None = None) -> str:
        """Stores what was written, under its digest; a crash leaves the whole of it or nothing."""
        digest = digest or digest_of(self.file)
        self._settle(digest)
        return digest


def digest_of(file: BinaryIO) -> str:
    """The sha256 of a whole file."""
    file.seek(0)
    return file_digest(cast("Any", file), sha256).hexdigest()


class Outputs(Protocol):
    """What jobs have made beside models, a file a job."""

    def writing(self, job_id: str) -> AbstractContextManager[BinaryIO]:
        """A file that becomes the job's output when the block ends well, and else is gone."""

    def open(self, job_id: str) -> BinaryIO:
        """The job's output; raises MissingBytes."""

    def delete(self, job_id: str) -> None:
        """Removes the job's output, if it is there."""

    def old(self, older_than_seconds: float) -> Iterator[str]:
        """The jobs whose outputs were written so long ago."""


class Storage(Protocol):
    """Bytes by digest. Where it is a service of its own, every call may raise StorageAway."""

    @property
    def outputs(self) -> Outputs:
        """The outputs of jobs, in the same place."""

    def used_by(self, user: str) -> None:
        """Notes that the database `user` keeps its datasets here: what two share is swept by neither."""

    def put(self, data: bytes) -> str:
        """Stores bytes and gives their digest; the same bytes twice are stored once."""

    def put_file(self, file: BinaryIO) -> str:
        """Stores a file's bytes, however many, and gives their digest; the file is read from its start."""

    def draft(self) -> AbstractContextManager[Draft]:
        """A file to be written, which is gone when the block ends without `keep`."""

    def open(self, digest: str) -> BinaryIO:
        """The bytes of a digest as a file; raises MissingBytes, and DamagedBytes if they were changed."""

    def read(self, digest: str) -> bytes:
        """The bytes of a digest; raises as `open` does."""

    def delete(self, digest: str) -> None:
        """Removes the bytes of a digest, if they are there."""

    def remove_orphans(
        self, is_used: Callable[[str], bool], *, user: str, older_than_seconds: float, dry: bool = False
    ) -> int:
        """Removes, or with `dry` counts, old bytes that nobody uses; how many.

        None where another database keeps bytes too.
        """
