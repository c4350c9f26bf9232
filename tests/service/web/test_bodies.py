"""Bodies in and out."""

import json
import math
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask, jsonify
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ServiceError
from service.web import bodies
from service.web.bodies import (
    DUPLICATES_CHECKED_BELOW,
    MAX_DEPTH,
    body_file,
    install,
    parse_json,
    parse_json_fast,
    read_body,
)


def test_json_out_never_holds_nan_and_keeps_every_digit() -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=10)
    with app.app_context():
        answer = jsonify({"x": [math.nan, math.inf, 0.1 + 0.2]})
    assert answer.data == b'{"x":[null,null,0.30000000000000004]}'
    assert answer.mimetype == "application/json"


READERS = pytest.mark.parametrize("read", [parse_json, parse_json_fast])


@READERS
@pytest.mark.parametrize(
    "data",
    [
        b'{"a": {"b": 1, "b": 2}}',
        b'[{"a": 1}, {"a": 1, "a": 1}]',
        b'{"instances": [[1]], "instances": [[2]]}',
        b'{"a": "12:30", "b": [{"c": ":"}], "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
    ],
)
def test_a_name_may_stand_once_in_an_object(read: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(ServiceError, match="stands twice") as refused:
        read(data)
    assert refused.value.status == 400


@READERS
@pytest.mark.parametrize("data", [b'{"a": "12:30", ":": {"a": [":", {"a": {}}]}}', b'[":"]', b'":"', b"1"])
def test_colons_in_texts_are_no_names(read: Callable[[bytes], Any], data: bytes) -> None:
    assert read(data) == json.loads(data)


@READERS
def test_texts_with_colons_may_not_nest_deeper_either(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(ServiceError, match="deeper than 32"):
        read(b'{"a": ":", "b": ' + b"[" * 900 + b"]" * 900 + b"}")


@READERS
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 400])
def test_a_number_beyond_float64_is_told_its_bound(read: Callable[[bytes], Any], number: bytes) -> None:
    with pytest.raises(ServiceError, match="a number is too large, line 1 column") as refused:
        read(b'{"x": ' + number + b"}")
    assert "1.798e+308" in refused.value.hint


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * depth + b"1" + closing * depth

    assert parse_json(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(ServiceError):
            parse_json(nested(depth))


def test_breadth_is_not_depth() -> None:
    assert parse_json(b"[" + b"[1],{}," * 1000 + b"[]]")


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused = "not_json"
    try:
        parse_json(data)
    except ServiceError as error:
        refused = error.code
    assert refused == "not_json"


@pytest.mark.parametrize("ended_by_server", [True, False])
@pytest.mark.parametrize("size", [0, 1, 10, 11])
def test_a_body_is_read_whole_up_to_its_bound(*, ended_by_server: bool, size: int) -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=10)
    app.add_url_rule("/", "size", lambda: str(len(read_body())), methods=["POST"])
    environ = {"wsgi.input_terminated": True} if ended_by_server else {}
    answer = app.test_client().post("/", data=b"x" * size, environ_overrides=environ)
    assert (answer.status_code, answer.text) == (200, str(size)) if size <= 10 else answer.status_code == 413


def test_a_body_shorter_than_it_says_is_refused() -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=100)
    app.add_url_rule("/", "size", lambda: str(len(read_body())), methods=["POST"])
    cut = {"wsgi.input_terminated": True, "wsgi.input": BytesIO(b"x" * 9), "CONTENT_LENGTH": "10"}
    assert app.test_client().post("/", environ_overrides=cut).status_code == 400


@pytest.mark.parametrize("size", [10, 2 * bodies.SPOOLED_BYTES])
def test_a_body_that_was_looked_at_can_be_read_again(size: int) -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=2 * size)

    def twice() -> str:
        with body_file() as first, body_file() as second:
            assert first is second
            looked_at = first.read()
            first.seek(0)
            assert read_body() == looked_at
        return str(len(looked_at))

    app.add_url_rule("/", "twice", twice, methods=["POST"])
    headers = {"Idempotency-Key": "k"}
    for ended in ({}, {"wsgi.input_terminated": True}):
        answer = app.test_client().post("/", data=b"x" * size, headers=headers, environ_overrides=ended)
        assert answer.text == str(size)


def test_a_body_of_unknown_length_is_bounded_too() -> None:
    app = Flask(__name__)
    bodies.install(app, max_body_bytes=10)
    app.add_url_rule("/", "size", lambda: str(len(read_body())), methods=["POST"])
    for size, status in ((9, 200), (11, 413)):
        stream, ended = BytesIO(b"x" * size), {"wsgi.input_terminated": True}
        headers = {"Transfer-Encoding": "chunked"}
        answer = app.test_client().post("/", input_stream=stream, headers=headers, environ_overrides=ended)
        assert answer.status_code == status
        assert status == 413 or answer.text == str(size)


def test_a_name_that_stands_twice_among_many_is_found_in_a_moment() -> None:
    names = [*range(80_000), 79_999]
    data = b"[{" + b",".join(b'"%d":1' % name for name in names) + b"}]"
    assert len(data) < DUPLICATES_CHECKED_BELOW
    started = time.process_time()
    with pytest.raises(ServiceError, match='"79999" stands twice'):
        parse_json(data)
    assert time.process_time() - started < 5  # looked for one by one it takes minutes


def test_a_long_json_is_refused_before_its_values_fill_the_memory() -> None:
    app = Flask(__name__)
    install(app, max_body_bytes=2**30, max_json_bytes=2**21)
    data = b"[" + b"[]," * 2**20 + b"[]]"
    with (
        app.app_context(),
        pytest.raises(ServiceError, match=r"at most 2,097,152 are read \(setting max_json"),
    ):
        parse_json(data)
    assert len(parse_json(data)) == 2**20 + 1  # the usual bound lies higher


def test_a_body_of_more_members_than_any_request_knows_is_refused_before_they_are_looked_at() -> None:
    data = b"{" + b",".join(b'"k%d":1' % number for number in range(101)) + b"}"
    with pytest.raises(ServiceError, match="101 members, and no request knows more than 100"):
        parse_json(data)
    assert parse_json(b"[" + data + b"]")
