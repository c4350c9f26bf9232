"""What an Arrow body says that it unpacks to, read off its messages before anything is unpacked.

Arrow's columnar format, "IPC streaming format" and "IPC file format": messages in flatbuffers, of which only
the few fields that say sizes are looked at. Offsets are the sender's and may lie: those outside are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from mmap import mmap

FILE_MAGIC = b"ARROW1"
Body = bytes | mmap
MOST_PIECES = 200_000  # a table of 10,000 columns in ten batches; each costs a microsecond or two
_CONTINUES = 0xFFFFFFFF
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3  # MessageHeader


def unpacked_bytes(data: Body) -> int:
    """The bytes of all compressed buffers once unpacked.

    Raises struct.error or ValueError where the body is no Arrow, or has more pieces than any table needs.
    """
    total = 0
    places = _blocks(data) if data[: len(FILE_MAGIC)] == FILE_MAGIC else _messages(data)
    pieces = chain.from_iterable(chain((0,), _sizes(data, start, body)) for start, body in places)
    for count, size in enumerate(pieces):
        if count >= MOST_PIECES:
            raise ValueError(f"it has more than {MOST_PIECES} messages and buffers")
        total += size
    return total


def is_nested(data: Body) -> bool:
    """Whether a column holds lists, records or the like: their decoder calls itself as deep as they go.

    Raises as `unpacked_bytes` does.
    """
    if data[: len(FILE_MAGIC)] == FILE_MAGIC:
        schemas = [_table(data, _footer(data), 1)]
    else:
        messages = (_root(data, start) for start, _ in _messages(data))
        schemas = [_table(data, each, 2) for each in messages if _number(data, each, 1, "<B") == _SCHEMA]
    columns = [at for schema in schemas for at in _vector(data, schema, 1, 4)[:MOST_PIECES]]
    return any(_vector(data, _root(data, at), 5, 4) for at in columns)


def _messages(data: Body) -> Iterator[tuple[int, int]]:
    """Where each message of a stream and its body begin."""
    at = 0
    while at + 8 <= len(data):
        start, length = _prefix(data, at)
        if length <= 0:
            return
        yield start, start + length
        table = _root(data, start)
        at = start + length + max(_number(data, table, 3, "<q"), 0)


def _blocks(data: Body) -> Iterator[tuple[int, int]]:
    """Where each message that a file's footer lists and its body begin."""
    footer = _footer(data)
    for field in (2, 3):  # dictionaries, record batches
        for at in _vector(data, footer, field, 24):
            offset, metadata = struct.unpack_from("<qi", data, at)
            yield _prefix(data, _inside(data, offset))[0], offset + metadata


def _footer(data: Body) -> int:
    (length,) = struct.unpack_from("<i", data, len(data) - len(FILE_MAGIC) - 4)
    return _root(data, len(data) - len(FILE_MAGIC) - 4 - length)


def _prefix(data: Body, at: int) -> tuple[int, int]:
    """Where a message's metadata begins, and its length: behind a marker, but in files of before 2019."""
    first, second = struct.unpack_from("<Ii", data, at)
    return (at + 8, second) if first == _CONTINUES else (at + 4, first)


def _sizes(data: Body, start: int, body: int) -> Iterator[int]:
    """What each compressed buffer of one message says that it unpacks to."""
    message = _root(data, start)
    kind = _number(data, message, 1, "<B")
    if kind not in (_DICTIONARY, _RECORDS):
        return
    batch = _table(data, message, 2)
    if kind == _DICTIONARY:
        batch = _table(data, batch, 1)
    if not _field(data, batch, 3):  # not compressed
        return
    for at in _vector(data, batch, 2, 16):
        offset, length = struct.unpack_from("<qq", data, at)
        size = struct.unpack_from("<q", data, _inside(data, body + offset))[0] if length >= 8 else 0
        yield max(size, 0)  # -1: as it is


def _root(data: Body, start: int) -> int:
    return _inside(data, start) + int(struct.unpack_from("<I", data, start)[0])


def _field(data: Body, table: int, index: int) -> int:
    """Where a table's field stands; 0 where it has none."""
    vtable = _inside(data, table - struct.unpack_from("<i", data, _inside(data, table))[0])
    (size,) = struct.unpack_from("<H", data, vtable)
    slot = 4 + 2 * index
    offset = struct.unpack_from("<H", data, vtable + slot)[0] if slot < size else 0
    return table + offset if offset else 0


def _number(data: Body, table: int, index: int, kind: str) -> int:
    at = _field(data, table, index)
    return int(struct.unpack_from(kind, data, at)[0]) if at else 0


def _table(data: Body, table: int, index: int) -> int:
    at = _field(data, table, index)
    if not at:
        raise ValueError("a message without its header")
    return _root(data, at)


def _vector(data: Body, table: int, index: int, width: int) -> range:
    at = _field(data, table, index)
    if not at:
        return range(0)
    start = _root(data, at)
    (count,) = struct.unpack_from("<I", data, start)
    _inside(data, start + count * width)
    return range(start + 4, start + 4 + count * width, width)


def _inside(data: Body, at: int) -> int:
    if not 0 <= at < len(data):
        raise ValueError("an offset points out of the body")
    return at
