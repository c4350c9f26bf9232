"""Machine code on disk, in a directory of its own, under the digest of everything that made it.

Since a stored object is executed, the directory must belong to this user and be closed to all others, and
an object whose own digest does not match is compiled anew. It knows nothing of what the bytes mean.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

CACHE_VARIABLE = "GRADHOUSE_CODE_CACHE"
"""Environment variable naming the directory of compiled code; `off` keeps nothing on disk."""

LIMIT = 64 * 2**20
"""Bytes that stored objects may take: some two thousand programs."""

_KEPT_SHARE = 0.75
_DIGEST_BYTES = 32
_SUFFIX = ".o"


def default_directory() -> Path | None:
    """Where compiled code is kept unless the caller says otherwise; None: nowhere."""
    named = os.environ.get(CACHE_VARIABLE, "")
    if named == "off":
        return None
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradhouse" / "code"


class ObjectStore:
    """Compiled objects by key, each behind the digest of its bytes. Any fault means: compile again."""

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        """`limit`: bytes that all objects together may take."""
        self._directory, self._limit = directory, limit

    @classmethod
    def at(cls, directory: Path | None) -> ObjectStore | None:
        """The store in a directory that only this user can enter, made if need be; else None, warned of."""
        if directory is None:
            return None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.lstat()
        except OSError as error:
            _warn_once(f"compiled code is not kept: {error}")
            return None
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != os.geteuid():
            _warn_once(f"compiled code is not kept: {directory} must be this user's own directory, mode 0700")
            return None
        return cls(directory)

    def read(self, key: str) -> bytes | None:
        """The object stored under a key, if it is whole; it counts as used now."""
        path = self._directory / f"{key}{_SUFFIX}"
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, code = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        return code if sha256(key.encode() + code).digest() == digest else None

    def write(self, key: str, code: bytes) -> None:
        """Stores an object; whoever comes second replaces it by the same bytes, never by half of them."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
                file.write(sha256(key.encode() + code).digest() + code)
            Path(file.name).replace(self._directory / f"{key}{_SUFFIX}")
            self._shrink()
        except OSError as error:
            _warn_once(f"compiled code is not kept: {error}")

    def _shrink(self) -> None:
        """Removes what was used longest ago until the rest is within the limit, with some room to spare.

        Processes may do so at once: whoever needs a removed object compiles it again, and one that has
        read it keeps its copy. What a killed process left half-written ages, and goes, like the others.
        """
        files = sorted(self._files(), reverse=True)  # the latest used first
        total, kept = sum(size for _, size, _ in files), 0
        if total <= self._limit:
            return
        for _, size, path in files:
            kept += size
            if kept > self._limit * _KEPT_SHARE:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """When each file was last used, its bytes, its path."""
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # another process shrinks too
                status = path.stat()
                yield status.st_mtime_ns, status.st_size, path


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
