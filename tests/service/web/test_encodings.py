"""Compressed bodies: unpacked piece by piece, refused where they break."""

import gzip
import io
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from flask import Flask
from werkzeug.exceptions import RequestEntityTooLarge

from service.errors import ServiceError
from service.web import bodies, encodings
from service.web.encodings import UNPACKERS, Unpacked

DATA = bytes(range(256)) * 4_000


def unpacked(packed: bytes, encoding: str = "gzip") -> io.BufferedReader:
    return io.BufferedReader(Unpacked(io.BytesIO(packed), encoding))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("encoding", list(UNPACKERS))
def test_what_was_packed_comes_out(encoding: str) -> None:
    assert unpacked(PACKERS[encoding](DATA), encoding).read() == DATA


@pytest.mark.parametrize("encoding", list(UNPACKERS))
def test_members_that_follow_one_another_are_one_body(encoding: str) -> None:
    pack = PACKERS[encoding]
    assert unpacked(pack(DATA) + pack(b"more") + pack(b""), encoding).read() == DATA + b"more"


@pytest.mark.parametrize("encoding", list(UNPACKERS))
def test_a_bomb_is_unpacked_no_further_than_it_is_read(encoding: str) -> None:
    stream = unpacked(PACKERS[encoding](b"\0" * 50_000_000), encoding)
    tracemalloc.start()
    assert stream.read(1_000) == b"\0" * 1_000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["deflate", "zstd"])
def test_a_body_that_is_cut_or_false_is_refused(encoding: str) -> None:
    packed = PACKERS[encoding](DATA)
    for broken in (b"", b"plain", packed[:-1], packed[:50], packed + b"x"):
        with pytest.raises(ServiceError):
            unpacked(broken, encoding).read()


def test_a_window_larger_than_http_allows_is_refused() -> None:
    options = {
        int(zstd.CompressionParameter.window_log): 27,
        int(zstd.CompressionParameter.compression_level): 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    packed = compressor.compress(os.urandom(9_000_000)) + compressor.flush()
    with pytest.raises(ServiceError, match="not compressed as said"):
        unpacked(packed, "zstd").read()


@pytest.mark.parametrize(
    "packed",
    [b"", b"plain", gzip.compress(DATA)[:-1], gzip.compress(DATA)[:50]],
    ids=["empty", "plain", "cut at the end", "cut early"],  # a gzip holds the time: no name for a test
)
def test_what_is_broken_is_refused(packed: bytes) -> None:
    with pytest.raises(ServiceError):
        unpacked(packed).read()


@pytest.mark.parametrize("lengths", [(50_000_000, 10_000), (5_000_000, 50_000_000), (5_000_000, 5_000_000)])
def test_a_bomb_of_json_is_unpacked_no_further_than_json_is_read(lengths: tuple[int, int]) -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=lengths[0], max_json_bytes=lengths[1])
    encodings.install(app, max_body_bytes=lengths[0])
    bomb = gzip.compress(b" " * 20_000_000)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    with app.test_request_context("/", method="POST", data=bomb, headers=headers):
        app.preprocess_request()
        tracemalloc.start()
        with pytest.raises((ServiceError, RequestEntityTooLarge)) as refused:
            bodies.json_body()
        assert tracemalloc.get_traced_memory()[1] < 3 * min(lengths) + 1_000_000
        tracemalloc.stop()
    assert ("max_json_bytes" in str(refused.value)) == (lengths[1] < lengths[0])


@pytest.mark.parametrize("size", [99_999, 100_000, 100_001, 300_000])
@pytest.mark.parametrize("encoding", list(UNPACKERS))
def test_a_body_that_unpacks_to_more_than_its_bound_is_refused_and_not_cut_off(
    encoding: str, size: int
) -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=100_000)
    encodings.install(app, max_body_bytes=100_000)
    app.add_url_rule("/", "size", lambda: str(len(bodies.read_body())), methods=["POST"])
    packed = PACKERS[encoding](b"x" * size)
    answer = app.test_client().post("/", data=packed, headers={"Content-Encoding": encoding})
    if size <= 100_000:
        assert (answer.status_code, answer.text) == (200, str(size))
    else:
        assert answer.status_code == 413
