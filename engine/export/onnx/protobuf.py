"""Enough of protocol buffers to write a message: numbers, bytes, messages in messages."""

from __future__ import annotations

from collections.abc import Iterable


def varint(value: int) -> bytes:
    """Seven bits a byte, least first; a negative number as its 64-bit complement."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def integer(field: int, value: int) -> bytes:
    """An integer field."""
    return varint(field << 3) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    """A string, bytes or message field."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def texts(field: int, values: Iterable[str | bytes]) -> bytes:
    """A repeated string, bytes or message field."""
    return b"".join(text(field, value) for value in values)


def integers(field: int, values: Iterable[int]) -> bytes:
    """A repeated integer field."""
    return b"".join(integer(field, value) for value in values)
