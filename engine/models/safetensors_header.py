"""The text members of a safetensors file, which the library reads only from a path."""

from __future__ import annotations

import orjson


def safetensors_metadata(data: bytes) -> dict[str, str]:
    """The metadata of a file that is in memory; raises ValueError where there is no header of JSON.

    The header is JSON, its length in the first 8 bytes, little-endian (the format's own definition).
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 + length:
        raise ValueError(f"its header would end at byte {8 + length}, and it has {len(data)}")
    header = orjson.loads(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata: dict[str, str] = header.get("__metadata__", {})
    return metadata
