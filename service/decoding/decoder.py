"""Has strangers' binary files decoded by processes that may die of them, bounded in memory, time, number."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import UnsupportedOperation
from shutil import copyfileobj
from typing import Any, BinaryIO, cast

from engine.data.profile import Profile
from engine.data.reading.options import Bounds, Reading
from engine.data.table import Table
from engine.errors import BadData, Problem
from service.decoding.zygote import BEGUN, END
from service.errors import ServiceError
from service.settings import Settings

DECODED_ELSEWHERE = frozenset(
    {
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.file",
        "application/vnd.apache.arrow.stream",
    }
)
"""Media types whose decoder is native code that a damaged file can end together with its process."""
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR")
COPIED_BYTES = 2**18
LARGEST_ANSWER = 2**28
PATIENCE_SECONDS = 5.0  # with others' files, before a request is refused
START_SECONDS = 30.0
ATTEMPTS = 3


class DecoderFailed(RuntimeError):
    """The decoding process could not be used, or its code is at fault; the file is not."""


@dataclass(frozen=True, slots=True)
class _Zygote:
    process: "subprocess.Popen[bytes]"
    door: socket.socket

    def takes(self, *descriptors: int) -> bool:
        """Hands it files; says whether it is there to take them."""
        try:
            return bool(socket.send_fds(self.door, [b"f"], descriptors))
        except OSError:
            return False

    def is_there(self) -> bool:
        """Whether it answers.

        That its end of the door is open says nothing: its children die with the thread that forked them,
        and the door shuts with its last thread.
        """
        with suppress(OSError):
            self.door.sendall(b"?")
            return self.door.recv(1) == BEGUN
        return False

    def end(self) -> None:
        """Ends it, and its children with it."""
        self.door.close()
        self.process.kill()
        self.process.wait()


class Decoder:
    """For all threads of a process; the decoding process starts with the first file, and ends with us."""

    def __init__(self, settings: Settings) -> None:
        self._bytes, self._seconds = settings.decoder_bytes, settings.decoder_seconds
        self._most = settings.max_decoders
        self._places = threading.BoundedSemaphore(settings.max_decoders)
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None

    def read_table(self, source: BinaryIO, media_type: str, bounds: Bounds, reading: Reading) -> Table:
        """The table in a file. Raises as `convert` does."""
        with tempfile.TemporaryFile() as file:
            target = cast("BinaryIO", file)
            self.convert(source, media_type, target, bounds, reading)
            target.seek(0)
            return Table.from_parquet(target)

    def convert(
        self, source: BinaryIO, media_type: str, target: BinaryIO, bounds: Bounds, reading: Reading
    ) -> Profile:
        """Writes the table in a file as Parquet of our own, and tells what is in it.

        `target` is a file on the disk. Raises BadData, also where the decoding process died of the file;
        ServiceError where others' files keep the decoders busy; OSError for a full disk; DecoderFailed.
        """
        question = {
            "media_type": media_type,
            "bounds": asdict(bounds),
            "types": dict(reading.types),
            "nulls": sorted(reading.nulls),
            "bytes": self._bytes,
            "seconds": self._seconds,
        }
        with self._place(), _on_disk(source) as file:
            return _profile_of(self._ask(question, file.fileno(), target.fileno()))

    def close(self) -> None:
        """Ends the decoding process."""
        with self._lock:
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=PATIENCE_SECONDS):
            detail = f"{self._most} files are being decoded, as many as one process may (max_decoders)"
            raise ServiceError("unavailable", detail, headers={"Retry-After": "5"})
        try:
            yield
        finally:
            self._places.release()

    def _ask(self, question: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        """The child's answer; raises BadData where it ended without one, or goes on for too long.

        That a child ends is the file's doing only while the process that forked it is there: somebody may
        have killed that one, or another thread ended it because it was silent.
        """
        for _ in range(ATTEMPTS):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    zygote = self._hand_over(theirs.fileno(), *descriptors)
                if not self._begins(ours, zygote):
                    continue
                ours.settimeout(self._seconds + START_SECONDS)
                started = time.monotonic()
                answer = _answer(ours, question)
            if answer is not None:
                return answer
            if self._is_there(zygote):
                raise self._died(late=time.monotonic() - started >= self._seconds)
        raise DecoderFailed("the decoding process does not start, or is ended again and again")

    def _hand_over(self, *descriptors: int) -> _Zygote:
        """The decoding process that took the files: a new one where there is none any more."""
        with self._lock:
            if self._zygote is not None:
                if self._zygote.takes(*descriptors):
                    return self._zygote
                self._zygote.end()
            self._zygote = _start()
            self._zygote.takes(*descriptors)
            return self._zygote

    def _begins(self, talk: socket.socket, zygote: _Zygote) -> bool:
        """Whether a child answers; a process that is there and forks none in time is ended."""
        talk.settimeout(START_SECONDS)
        try:
            return talk.recv(1) == BEGUN
        except TimeoutError:
            with self._lock:
                if self._zygote is zygote:  # else another thread has ended it, and others use the next one
                    self._zygote = None
                    zygote.end()
            return False

    def _is_there(self, zygote: _Zygote) -> bool:
        with self._lock:
            if self._zygote is not zygote:
                return False
            if not zygote.is_there():
                self._zygote = None
                zygote.end()
            return self._zygote is zygote

    def _died(self, *, late: bool) -> Exception:
        if late:
            detail = f"decoding the file takes longer than {self._seconds:g} s (decoder_seconds)"
        else:
            detail = (
                "the file ended the process that decoded it: it is damaged, or takes more than "
                f"{self._bytes:,} bytes of memory (decoder_bytes)"
            )
        hint = "write the file anew, with smaller row groups and no nested columns, or send CSV"
        return BadData.because(detail, code="undecodable", hint=hint)


def _answer(talk: socket.socket, question: dict[str, Any]) -> dict[str, Any] | None:
    """What a child says; None where it ended before the end of it, or did not end in time."""
    text = b""
    with suppress(ConnectionError, TimeoutError), talk.makefile("rb") as said:
        talk.sendall(json.dumps(question).encode())
        talk.shutdown(socket.SHUT_WR)
        text = said.read(LARGEST_ANSWER)
    return cast("dict[str, Any]", json.loads(text)) if text.endswith(END) else None


def _profile_of(answer: dict[str, Any]) -> Profile:
    """The profile in an answer; raises what else it tells of."""
    if "problems" in answer:
        raise BadData([Problem(**each) for each in answer["problems"]])
    if "system" in answer:
        raise OSError(*answer["system"])
    if "fault" in answer:
        raise DecoderFailed(answer["fault"])
    return Profile.from_document(answer["profile"])


def _start() -> _Zygote:
    ours, theirs = socket.socketpair()
    with theirs:
        # It is told no secrets. One thread of each library is quick to fork, and is enough for one file.
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        alone = {"POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RUST_BACKTRACE": "0"}
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "service.decoding.zygote", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=kept | alone,
        )
    ours.settimeout(START_SECONDS)
    return _Zygote(process, ours)


@contextmanager
def _on_disk(source: BinaryIO) -> Iterator[BinaryIO]:
    """The same bytes as a file of the system's, which another process can read."""
    source.seek(0)
    try:
        source.fileno()
    except UnsupportedOperation:
        with tempfile.TemporaryFile() as file:
            copyfileobj(source, file, COPIED_BYTES)
            file.flush()
            yield cast("BinaryIO", file)
    else:
        source.flush()
        yield source
