"""The text members of a safetensors file, which the library reads only from a path."""

from __future__ import annotations

import orjson


def safetensors_metadata(data: bytes) -> dict[str, str]:
    """The metadata of a file that is in memory; raises ValueError where the header is not JSON.

    The header is JSON, its length in the first 8 bytes, little-endian (the format's own definition).
    """
    length = int.from_bytes(data[:8], "little")
    header = orjson.loads(data[8 : 8 + length])
    metadata: dict[str, str] = header.get("__metadata__", {})
    return metadata
