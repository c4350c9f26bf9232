"""The bytes of datasets: files named by their sha256. An object store fits behind the same three verbs."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path


class MissingBytes(Exception):
    """No bytes are stored under this digest."""


class DamagedBytes(Exception):
    """The stored bytes are not the ones that were put."""


class Storage:
    """Bytes by digest in a folder that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Stores bytes and gives their digest; the same bytes twice are stored once."""
        digest = sha256(data).hexdigest()
        path = self._path(digest)
        if path.exists():
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
