"""Tensors of the Open Inference Protocol, without a model."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.tensors import read_request, write_response
from service.errors import ServiceError


def request(**tensor: object) -> bytes:
    return orjson.dumps({"inputs": [{"name": "x", "shape": [2], **tensor}]})


@pytest.mark.parametrize("kind", ["INT8", "UINT16", "INT64", "FP16", "FP32", "FP64"])
def test_numbers_come_the_same_way_in_json_and_in_binary(kind: str) -> None:
    bits = int("".join(filter(str.isdigit, kind)))
    letter = {"I": "i", "U": "u", "F": "f"}[kind[0]]
    tail = np.array([1, 2]).astype(f"<{letter}{bits // 8}").tobytes()
    head = request(datatype=kind, parameters={"binary_data_size": len(tail)})
    for data, length in ((request(datatype=kind, data=[1, 2]), None), (head + tail, str(len(head)))):
        (tensor,) = read_request(data, length, most=4).inputs
        assert list(tensor.cells) == [1.0, 2.0]


def test_an_id_is_a_string_or_a_number_and_nothing_nested() -> None:
    tensor = [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]
    found = [
        read_request(orjson.dumps({"inputs": tensor, "id": each}), None, most=1).id for each in ("a", 7, None)
    ]
    assert found == ["a", "7", None]
    deep = b'{"inputs":' + orjson.dumps(tensor) + b',"id":' + b"[" * 1000 + b"]" * 1000 + b"}"
    with pytest.raises(ServiceError, match="id must be a string"):
        read_request(deep, None, most=1)


def test_what_is_written_is_what_is_read() -> None:
    outputs: dict[str, Any] = {"words": ["a", "naïve"], "numbers": np.array([0.5, np.pi])}
    for binary in (True, False):
        body, length = write_response({}, outputs, dict.fromkeys(outputs, binary))
        end = len(body) if length is None else length
        document = orjson.loads(body[:end])
        again = orjson.dumps({"inputs": document["outputs"]})
        found = read_request(again + body[end:], str(len(again)), most=4).inputs
        assert {each.name: list(each.cells) for each in found} == {
            name: list(cells) for name, cells in outputs.items()
        }


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"inputs": []}', b'{"inputs": [1]}', b'{"inputs": {"a": 1}}']
)
def test_a_request_without_tensors_is_refused(data: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        read_request(data, None, most=1)
    assert caught.value.status == 422


def test_a_tensor_may_stand_once() -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}
    with pytest.raises(ServiceError, match='"x" stands twice') as caught:
        read_request(orjson.dumps({"inputs": [tensor, tensor]}), None, most=2)
    assert caught.value.errors[0].pointer == "/inputs/1/name"


SIZES = st.integers(-(2**70), 2**70) | st.integers(0, 40) | st.floats() | st.none()
LYING_TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", 1, None]),
        "datatype": st.sampled_from(["BOOL", "INT8", "UINT64", "FP16", "FP64", "BYTES", "FP8", None]),
        "shape": st.lists(SIZES, max_size=9) | st.none(),
        "parameters": st.none() | st.fixed_dictionaries({"binary_data_size": SIZES}),
        "data": st.none()
        | st.lists(st.none() | st.booleans() | st.integers() | st.text(max_size=2), max_size=4),
    }
)


@given(st.lists(LYING_TENSORS, max_size=3), st.binary(max_size=64), st.integers(-9, 9), st.booleans())
def test_headers_that_lie_are_refused_and_never_crash(
    tensors: list[Any], tail: bytes, shift: int, exact: bool
) -> None:
    head = json.dumps({"inputs": tensors}).encode()
    length = len(head) if exact else len(head) + shift
    with suppress(ServiceError):
        found = read_request(head + tail, str(length), most=4).inputs
        assert all(len(each.cells) == np.prod(each.shape, dtype=object) for each in found)
