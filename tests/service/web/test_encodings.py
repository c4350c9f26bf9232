"""Compressed bodies: unpacked piece by piece, refused where they break."""

import gzip
import io
import zlib

import pytest

from service.errors import ServiceError
from service.web.encodings import WINDOWS, Unpacked

DATA = bytes(range(256)) * 4_000


def unpacked(packed: bytes, encoding: str = "gzip") -> io.BufferedReader:
    return io.BufferedReader(Unpacked(io.BytesIO(packed), WINDOWS[encoding]))


@pytest.mark.parametrize("encoding", list(WINDOWS))
def test_what_was_packed_comes_out(encoding: str) -> None:
    packed = zlib.compress(DATA) if encoding == "deflate" else gzip.compress(DATA)
    assert unpacked(packed, encoding).read() == DATA


def test_members_that_follow_one_another_are_one_body() -> None:
    assert unpacked(gzip.compress(DATA) + gzip.compress(b"more")).read() == DATA + b"more"


def test_a_bomb_is_unpacked_no_further_than_it_is_read() -> None:
    stream = unpacked(gzip.compress(b"\0" * 50_000_000))
    assert stream.read(1_000) == b"\0" * 1_000


@pytest.mark.parametrize(
    "packed",
    [b"", b"plain", gzip.compress(DATA)[:-1], gzip.compress(DATA)[:50]],
    ids=["empty", "plain", "cut at the end", "cut early"],  # a gzip holds the time: no name for a test
)
def test_what_is_broken_is_refused(packed: bytes) -> None:
    with pytest.raises(ServiceError):
        unpacked(packed).read()
