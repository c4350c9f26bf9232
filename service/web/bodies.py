"""Reads request bodies: media types, JSON in by orjson with its bounds, and JSON out."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import orjson
from flask import Flask, Response, current_app, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from service.errors import ServiceError

MAX_DEPTH = 32
MOST_MEMBERS = 100  # for each that is unknown, the one that was meant is looked for
MAX_JSON_BYTES = 2**26
_DEPTH, _LENGTH, _JSON_BODY = "MAX_JSON_DEPTH", "MAX_JSON_LENGTH", "MAX_JSON_BODY"
SPOOLED_BYTES, COPIED_BYTES = 2**20, 2**18
DUPLICATES_CHECKED_BELOW = 2**20  # bytes; a longer body is data, and reading it twice would cost too much

JSON_MEDIA_TYPE = "application/json"
MAX_FLOAT = f"{sys.float_info.max:.4g}"
_TOO_LARGE = "number is infinity"  # orjson's words for 1e999
_NESTED = (dict, list)
FEW = 16


class _OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: shortest round-trip digits, and NaN or Infinity become null."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:  # noqa: ARG002 - Flask's signature
        return orjson.dumps(obj, option=orjson.OPT_SERIALIZE_NUMPY).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ARG002 - Flask's signature
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        body = self._prepare_response_obj(args, kwargs)
        return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), mimetype=JSON_MEDIA_TYPE)


def install(
    app: Flask, *, max_body_bytes: int, max_json_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_DEPTH
) -> None:
    """Makes orjson the JSON of `app` and bounds its bodies and their nesting."""
    app.json = _OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.config[_DEPTH], app.config[_LENGTH] = max_depth, max_json_bytes
    app.config[_JSON_BODY] = min(max_json_bytes, max_body_bytes)
    app.config["MAX_FORM_MEMORY_SIZE"] = 2**20


def media_type() -> str:
    """The media type of the body, in lower case and without its parameters."""
    return request.mimetype


def require_media_type(*accepted: str) -> str:
    """The media type of the body; raises ServiceError when it is none of `accepted`."""
    given: str = request.environ.get("CONTENT_TYPE", "")
    if given in accepted:  # bare, as mostly: nothing to take apart
        return given
    given = request.mimetype
    if given in accepted:
        return given
    fact = f"got {given}" if given else "the Content-Type header is missing"
    raise ServiceError("unsupported_media_type", f"the body must be {' or '.join(accepted)}; {fact}")


def read_body(most: int | None = None) -> bytes:
    """The whole body. Raises RequestEntityTooLarge beyond `most` bytes, by default what any body may have."""
    environ = request.environ
    length = environ.get("CONTENT_LENGTH", "")
    known = length.isdecimal() and environ.get("wsgi.input_terminated")
    most = current_app.config["MAX_CONTENT_LENGTH"] if most is None else most
    if not known or environ.get("HTTP_IDEMPOTENCY_KEY"):  # under a key it was read already, to be compared
        request.max_content_length = most + 1  # at its own bound Werkzeug cuts a body off, and says nothing
        try:
            data = request.get_data(cache=False)
        finally:
            request.max_content_length = None  # the usual one, which a refusal tells
        if len(data) > most:
            raise RequestEntityTooLarge
        return data
    # The server ends the body where its header says: one read instead of Werkzeug's five layers, 9 µs less.
    if int(length) > most:
        raise RequestEntityTooLarge
    data = cast("bytes", environ["wsgi.input"].read())
    if len(data) != int(length):
        raise ClientDisconnected
    return data


def require_length() -> None:
    """Raises ServiceError for a body in chunks: of a file without an end of its own half would look whole."""
    if "HTTP_TRANSFER_ENCODING" in request.environ:
        detail = "the file comes in chunks without a Content-Length: if it broke off, nobody would see it"
        hint = "Send its length, or send it as a form: curl -F 'file=@-;type=text/csv' does."
        raise ServiceError("length_required", detail, hint=hint)


@contextmanager
def body_file() -> Iterator[BinaryIO]:
    """The body as a file: in memory if small, else on the disk without a name.

    Inside the context the request's own stream is this file, so that others may read the body after the
    caller; who asks for the file again gets the same. Nothing of it stays, whatever becomes of the request
    or of this process.
    """
    source = request.stream
    if isinstance(source, tempfile.SpooledTemporaryFile):
        source.seek(0)
        yield cast("BinaryIO", source)
        return
    with tempfile.SpooledTemporaryFile(max_size=SPOOLED_BYTES) as file:
        shutil.copyfileobj(source, file, COPIED_BYTES)
        file.seek(0)
        request.stream = file
        yield cast("BinaryIO", file)


def json_body() -> Any:
    """The body as JSON. Raises ServiceError: not JSON's media type, not parseable, or nested too deep."""
    if not (request.is_json and request.mimetype):
        require_media_type(JSON_MEDIA_TYPE)
    return parse_json(read_json(), most=current_app.config.get(_DEPTH, MAX_DEPTH))


def read_json() -> bytes:
    """The body as the text of a JSON document; raises ServiceError for one that is too long to be read."""
    most: int = current_app.config[_JSON_BODY]
    try:
        return read_body(most)
    except RequestEntityTooLarge:
        if most == current_app.config["MAX_CONTENT_LENGTH"]:
            raise
        raise _too_long(f"more than {most:,} bytes", most) from None


def parse_json(data: bytes, *, most: int = MAX_DEPTH) -> Any:
    """What the JSON text stands for; a repeated name, NaN, Infinity and deep nesting are refused."""
    document = _loaded(data)
    if data.count(b"{") + data.count(b"[") > most:
        _check_depth(document, most)
    _check_names(data, document, most)
    return document


def parse_json_fast(data: bytes) -> Any:
    """What the JSON text stands for, for a reader that checks the shape itself, and so the nesting."""
    document = _loaded(data)
    _check_names(data, document, MAX_DEPTH)
    return document


def _loaded(data: bytes) -> Any:
    if not data:
        raise ServiceError("not_json", "the body is empty where JSON is due")
    if len(data) > DUPLICATES_CHECKED_BELOW:
        _check_length(data)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        if error.msg.startswith(_TOO_LARGE):
            hint = f"Send numbers between -{MAX_FLOAT} and {MAX_FLOAT}."
            raise ServiceError("not_json", f"a number is too large, {place}", hint=hint) from None
        raise ServiceError("not_json", f"the body is not JSON: {error.msg}, {place}") from None
    if type(document) is dict and len(document) > MOST_MEMBERS:
        detail = f"the body has {len(document):,} members, and no request knows more than {MOST_MEMBERS}"
        raise ServiceError("too_large", detail, hint="Rows of data stand in one member, such as records.")
    return document


def _check_names(data: bytes, document: Any, most: int) -> None:
    """Raises ServiceError where a name stands twice in an object.

    The parser keeps the last of them. Each name has a colon behind it, so where there are no more colons than
    names were kept, none was lost: mostly this is known after a level or two, in microseconds. Else a colon
    may as well stand in a text.
    """
    colons, level = _count_colons(data), [document]
    for _ in range(most):
        colons -= sum(len(item) for item in level if type(item) is dict)
        if not colons or not level:
            break
        level = [child for item in level for child in _children(item) if type(child) in _NESTED]
    if colons and len(data) < DUPLICATES_CHECKED_BELOW:
        if level:
            _check_depth(document, most)
        json.loads(data, object_pairs_hook=_refuse_duplicates)


def _count_colons(data: bytes) -> int:
    at = -1
    for found in range(FEW if len(data) > FEW**3 else 0):  # to look for a few in many bytes is much quicker
        at = data.find(b":", at + 1)
        if at < 0:
            return found
    return data.count(b":")


def _children(item: Any) -> Iterable[Any]:
    return item.values() if type(item) is dict else item


def _check_length(data: bytes) -> None:
    """Raises ServiceError for a text whose values would take too much memory: a "[]," takes 64 bytes."""
    most = current_app.config[_LENGTH] if current_app else MAX_JSON_BYTES
    if len(data) > most:
        raise _too_long(f"{len(data):,} bytes", most)


def _too_long(length: str, most: int) -> ServiceError:
    detail = f"the JSON has {length}, at most {most:,} are read (setting max_json_bytes)"
    return ServiceError(
        "too_large", detail, hint="Send fewer rows at once, or send them as CSV, Parquet or Arrow."
    )


def _check_depth(document: Any, most: int) -> None:
    level, depth = [document], 0
    while level := [item for item in level if type(item) in _NESTED]:
        depth += 1
        if depth > most:
            detail = f"the body is nested deeper than {most} levels (setting max_depth)"
            raise ServiceError("not_json", detail)
        level = [child for item in level for child in _children(item)]


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ServiceError(
            "not_json", f'the name "{twice[:80]}" stands twice in one object', hint="Keep one of the two."
        )
    return document
