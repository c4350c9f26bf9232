"""Bodies that come compressed: unpacked as they are read, never more at once than a reader asks for."""

import io
import zlib
from typing import Any

from flask import Flask, request
from werkzeug.wsgi import get_input_stream

from service.errors import ServiceError

READ_BYTES = 64 * 2**10
_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


class Unpacked(io.RawIOBase):
    """The bytes that a compressed stream stands for; reading raises ServiceError where it is broken."""

    def __init__(self, source: Any, window: int) -> None:
        super().__init__()
        self._source, self._window = source, window
        self._packed, self._unpacker = b"", zlib.decompressobj(window)

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as one step of unpacking does; 0 at the end."""
        while True:
            packed = self._packed or self._source.read(READ_BYTES)
            if self._unpacker.eof:
                if not packed:
                    return 0
                self._unpacker = zlib.decompressobj(self._window)  # gzip members may follow one another
            elif not packed:
                raise ServiceError(
                    "bad_request", "the compressed body ends too early", hint="Send all of it."
                )
            if data := self._step(packed, len(buffer)):
                buffer[: len(data)] = data
                return len(data)

    def _step(self, packed: bytes, most: int) -> bytes:
        try:
            data = self._unpacker.decompress(packed, most)
        except zlib.error as error:
            hint = "Compress it again, or leave Content-Encoding out."
            raise ServiceError(
                "bad_request", f"the body is not compressed as said: {error}", hint=hint
            ) from None
        self._packed = self._unpacker.unused_data or self._unpacker.unconsumed_tail
        return data


def install(app: Flask, *, max_body_bytes: int) -> None:
    """Makes `app` read compressed bodies; the bound on bodies then holds for what they unpack to."""

    def before() -> None:
        environ = request.environ
        encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        if encoding in ("", "identity"):
            return
        if encoding not in WINDOWS:
            detail = f"Content-Encoding {encoding[:40]} is not understood"
            hint = f"Send {', '.join(WINDOWS)}, or the plain bytes."
            headers = {"Accept-Encoding": ", ".join(WINDOWS)}
            raise ServiceError("unsupported_media_type", detail, hint=hint, headers=headers)
        packed = get_input_stream(environ, max_content_length=max_body_bytes)
        environ["wsgi.input"] = io.BufferedReader(Unpacked(packed, WINDOWS[encoding]), READ_BYTES)
        environ["wsgi.input_terminated"] = True
        environ.pop("CONTENT_LENGTH", None)

    app.before_request(before)
