"""Protocol buffers: the format's own examples, and the official library's reading."""

from __future__ import annotations

import onnx
import pytest

from engine.export.onnx.protobuf import integer, integers, text, texts, varint


@pytest.mark.parametrize(
    ("value", "wanted"), [(0, b"\x00"), (1, b"\x01"), (150, b"\x96\x01"), (-1, b"\xff" * 9 + b"\x01")]
)
def test_integers_take_seven_bits_a_byte(value: int, wanted: bytes) -> None:
    assert varint(value) == wanted


def test_the_official_library_reads_what_is_written() -> None:
    data = integers(1, [2, 3]) + integer(2, 8) + texts(6, ["a", "é"]) + text(8, "name")
    tensor = onnx.TensorProto.FromString(data)
    assert (list(tensor.dims), tensor.data_type, tensor.name) == ([2, 3], 8, "name")
    assert list(tensor.string_data) == [b"a", "é".encode()]
