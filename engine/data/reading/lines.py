"""Delimited text from a stream in parts of whole rows: constant memory, and every row's line number.

A line end ends a row where the quotes before it are even in number, as RFC 4180 has them.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from engine.data.reading.cells import Problems
from engine.errors import BadData

PART_BYTES = 4 * 2**20
MAX_ROW_BYTES = 64 * 2**20
_QUOTE, _LINE_END = ord('"'), ord("\n")
_WIDE = "UTF-16", "save it as CSV UTF-8"
_PAGE = "a web page, not the data", "download the file itself"
_JSON = "JSON", "give it the suffix .json or .ndjson, or send it as application/json or application/x-ndjson"
_OTHERS = {  # what is often called CSV: how it starts, what it is, what to do
    codecs.BOM_UTF16_LE: _WIDE,
    codecs.BOM_UTF16_BE: _WIDE,
    b"PK\x03\x04": ("a zip archive, as spreadsheets' own formats are", "save the sheet as CSV UTF-8"),
    b"PAR1\x15": ("Parquet", "give it the suffix .parquet, or send it as application/vnd.apache.parquet"),
    b"ARROW1\0\0": ("Arrow", "give it the suffix .arrow, or send it as application/vnd.apache.arrow.file"),
    b"\x1f\x8b": ("gzip", "send the bare file with Content-Encoding: gzip, or unpack it"),
    b"\x28\xb5\x2f\xfd": ("zstd", "send the bare file with Content-Encoding: zstd, or unpack it"),
    b"<!DOCTYPE": _PAGE,
    b"<!doctype": _PAGE,
    b"<html": _PAGE,
    b'[{"': _JSON,
    b'{"': _JSON,
}


@dataclass(frozen=True, slots=True)
class Part:
    """Whole rows as UTF-8, and the number of their first line, counted from 1."""

    data: bytes
    line: int

    def rows(self, delimiter: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
        """Each row's first line and its cells, read carefully and slowly; blank lines are passed over."""
        reader = csv.reader(io.StringIO(self.data.decode(), newline=""), delimiter=delimiter, strict=True)
        start = self.line
        try:
            for row in reader:
                if row:
                    yield start, row
                start = self.line + reader.line_num
        except csv.Error as error:
            at = self.line + max(reader.line_num, 1) - 1
            problems.add("", "not_csv", f"line {at}: {error}", "close every quote and double those inside")
            problems.stop()

    def has_usual_ends(self) -> bool:
        """Whether each line ends in a line feed, perhaps after a carriage return."""
        return b"\r" not in self.data or self.data.count(b"\r") == self.data.count(b"\r\n")

    def has_usual_quotes(self, delimiter: str) -> bool:
        """Whether quotes stand around whole cells and are doubled inside, as RFC 4180 has them."""
        if b'"' not in self.data:
            return True
        signs = np.frombuffer(b"\n" + self.data + b"\n", dtype=np.uint8)
        quotes = np.flatnonzero(signs == _QUOTE)
        before, after = signs[quotes[0::2] - 1], signs[quotes[1::2] + 1]  # what opens, and what closes
        opens = np.isin(before, (_QUOTE, ord(delimiter), _LINE_END))
        closes = np.isin(after, (_QUOTE, ord(delimiter), _LINE_END, ord("\r")))
        return len(before) == len(after) and bool(opens.all() and closes.all())

    def is_regular(self, delimiter: str, columns: int) -> bool:
        """Whether every line is a row of so many cells, as far as counting can tell; blank ones are not."""
        if b"\n\n" in self.data or b"\n\r\n" in self.data or self.data[:1] in (b"\n", b"\r"):
            return False
        if not self.has_usual_ends():
            return False
        separators, ends = self._counted(delimiter)
        rows = ends + (not self.data.endswith(b"\n"))
        return separators == rows * (columns - 1)

    def _counted(self, delimiter: str) -> tuple[int, int]:
        """Delimiters and line ends outside quotes."""
        if b'"' not in self.data:
            return self.data.count(delimiter.encode()), self.data.count(b"\n")
        signs = np.frombuffer(self.data, dtype=np.uint8)
        outside = np.cumsum(signs == _QUOTE, dtype=np.uint8) & 1 == 0  # wraps at 256, which is even
        counts = (np.count_nonzero(outside & (signs == sign)) for sign in (ord(delimiter), _LINE_END))
        separators, ends = counts
        return int(separators), int(ends)


def parts_of(source: BinaryIO, encoding: str, size: int = PART_BYTES) -> Iterator[Part]:
    """The source from where it stands, cut between rows into parts of about `size` bytes; raises BadData."""
    rest, line, line_end = b"", 1, b""
    following = source.read(size)
    while data := following:
        following = source.read(size)
        whole = rest + (data if encoding == "utf-8" else data.decode(encoding).encode())
        line_end = line_end or (b"\r" if b"\r" in whole and b"\n" not in whole else b"\n")
        whole = whole.replace(b"\r", b"\n") if line_end == b"\r" else whole
        cut = _last_row_end(whole) if following else len(whole)
        if cut:
            yield Part(whole[:cut], line)
            line += whole.count(b"\n", 0, cut)
        rest = whole[cut:]
        if len(rest) > MAX_ROW_BYTES:
            detail = f"line {line}: the row that begins here does not end within {MAX_ROW_BYTES:,} bytes"
            hint = "close every quote, and end lines with a line feed"
            raise BadData.because(detail, code="row_too_long", hint=hint)


def _last_row_end(data: bytes) -> int:
    """Where the last row that is whole ends; 0 where none is."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        inner = data.rfind(b'"', 0, end)
        end = data.rfind(b"\n", 0, inner) + 1
        quotes = data.count(b'"', 0, end)
    return end


def first_row_end(data: bytes) -> int:
    """Where the first row that is not blank ends."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\n", start) + 1
    while end and data.count(b'"', start, end) % 2:
        end = data.find(b"\n", end) + 1
    return end or len(data)


def encoding_of(source: BinaryIO) -> str:
    """`utf-8`, or `latin-1` for what is not; raises BadData for what is no text. Passes over UTF-8's mark."""
    decoder, start = codecs.getincrementaldecoder("utf-8")(), source.tell()
    encoding, first = "utf-8", True
    while data := source.read(PART_BYTES):
        if first:
            _refuse_others(data)
        if b"\0" in data:
            detail = "the file holds zero bytes: it is not text"
            raise BadData.because(detail, code="not_text", hint="send UTF-8 text")
        start += 3 if first and data.startswith(codecs.BOM_UTF8) else 0
        first = False
        encoding = encoding if encoding != "utf-8" or _decodes(decoder, data) else "latin-1"
    if encoding == "utf-8" and not _decodes(decoder, b"", final=True):
        encoding = "latin-1"
    source.seek(start)
    return encoding


def _refuse_others(data: bytes) -> None:
    for start, (what, hint) in _OTHERS.items():
        if data.startswith(start):
            raise BadData.because(f"the file is {what}", code="not_text", hint=hint)


def _decodes(decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    return True
