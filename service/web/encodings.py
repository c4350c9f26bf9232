"""Bodies that come compressed: unpacked as they are read, never more at once than a reader asks for."""

import io
import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from flask import Flask, request
from werkzeug.wsgi import get_input_stream

from service.errors import ServiceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

READ_BYTES = 64 * 2**10
ZSTD_WINDOW = 23  # bits: 8 MiB, all that HTTP allows (RFC 9659) and all the memory that a body may ask for


class Unpacker(Protocol):
    """One compressed member of a body, and what of the body is left to unpack."""

    packed: bytes

    @property
    def ended(self) -> bool:
        """Whether the member is complete."""

    @property
    def hungry(self) -> bool:
        """Whether nothing more comes out unless more goes in."""

    def step(self, packed: bytes, most: int) -> bytes:
        """At most so many bytes of what came in and of `packed`; raises ValueError for what is broken."""


class _Zlib:
    def __init__(self, packed: bytes, window: int) -> None:
        self.packed, self._unpacker = packed, zlib.decompressobj(window)

    @property
    def ended(self) -> bool:
        return self._unpacker.eof

    @property
    def hungry(self) -> bool:
        return not self.packed

    def step(self, packed: bytes, most: int) -> bytes:
        try:
            data = self._unpacker.decompress(self.packed + packed, most)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        self.packed = self._unpacker.unused_data or self._unpacker.unconsumed_tail
        return data


class _Zstd:
    def __init__(self, packed: bytes) -> None:
        options = {int(zstd.DecompressionParameter.window_log_max): ZSTD_WINDOW}
        self.packed, self._unpacker = packed, zstd.ZstdDecompressor(options=options)

    @property
    def ended(self) -> bool:
        return self._unpacker.eof

    @property
    def hungry(self) -> bool:
        return self._unpacker.needs_input and not self.packed

    def step(self, packed: bytes, most: int) -> bytes:
        try:
            data = self._unpacker.decompress(self.packed + packed, most)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from None
        self.packed = self._unpacker.unused_data if self._unpacker.eof else b""
        return data


UNPACKERS: dict[str, Callable[[bytes], Unpacker]] = {
    "gzip": partial(_Zlib, window=16 + zlib.MAX_WBITS),
    "x-gzip": partial(_Zlib, window=16 + zlib.MAX_WBITS),
    "deflate": partial(_Zlib, window=zlib.MAX_WBITS),
    "zstd": _Zstd,
}


class Unpacked(io.RawIOBase):
    """The bytes that a compressed stream stands for; reading raises ServiceError where it is broken."""

    def __init__(self, source: Any, encoding: str) -> None:
        super().__init__()
        self._source, self._make = source, UNPACKERS[encoding]
        self._unpacker = self._make(b"")

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as one step of unpacking does; 0 at the end."""
        while True:
            if self._unpacker.ended:
                rest = self._unpacker.packed or self._source.read(READ_BYTES)
                if not rest:
                    return 0
                self._unpacker = self._make(rest)  # members may follow one another
            packed = self._source.read(READ_BYTES) if self._unpacker.hungry else b""
            if not packed and self._unpacker.hungry:
                hint = "Send all of it."
                raise ServiceError("bad_request", "the compressed body ends too early", hint=hint)
            if data := self._step(packed, len(buffer)):
                buffer[: len(data)] = data
                return len(data)

    def _step(self, packed: bytes, most: int) -> bytes:
        try:
            return self._unpacker.step(packed, most)
        except ValueError as error:
            hint = "Compress it again, or leave Content-Encoding out."
            detail = f"the body is not compressed as said: {error}"
            raise ServiceError("bad_request", detail, hint=hint) from None


def install(app: Flask, *, max_body_bytes: int) -> None:
    """Makes `app` read compressed bodies; the bound on bodies then holds for what they unpack to."""

    def before() -> None:
        environ = request.environ
        encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        if encoding in ("", "identity"):
            return
        if encoding not in UNPACKERS:
            detail = f"Content-Encoding {encoding[:40]} is not understood"
            hint = f"Send {', '.join(UNPACKERS)}, or the plain bytes."
            headers = {"Accept-Encoding": ", ".join(UNPACKERS)}
            raise ServiceError("unsupported_media_type", detail, hint=hint, headers=headers)
        if "CONTENT_LENGTH" in environ:
            environ.pop("wsgi.input_terminated", None)  # then Werkzeug counts, as for plain bodies
        packed = get_input_stream(environ, max_content_length=max_body_bytes)
        environ["wsgi.input"] = io.BufferedReader(Unpacked(packed, encoding), READ_BYTES)
        environ["wsgi.input_terminated"] = True
        environ.pop("CONTENT_LENGTH", None)

    app.before_request(before)
