"""Tensors of the Open Inference Protocol, as JSON and in its binary extension; knows no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.errors import Problem
from service.errors import ServiceError, invalid
from service.web.bodies import parse_json_fast
from service.web.schemas import shown

KINDS = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
DATATYPES = (*KINDS, "BYTES")
MAX_NESTING, MAX_SIZE = 8, 2**40
_NUMBERS: frozenset[type] = frozenset({int, float})
_CELLS: dict[str, frozenset[type]] = {"BYTES": frozenset({str}), "BOOL": frozenset({bool})}

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input: its shape, and its cells in row-major order, numbers as an array and BYTES as texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    cells: Numbers | list[str]


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a client asks: `outputs` maps each output that it names to whether it wants it in binary."""

    id: str | None
    inputs: list[Tensor]
    outputs: dict[str, bool] | None
    binary: bool


def read_request(data: bytes, header_length: str | None, *, most: int) -> InferenceRequest:
    """The request of a body, of at most so many tensors. Raises ServiceError.

    With `header_length` only so many bytes of the body are JSON.
    """
    end = len(data) if header_length is None else _header_end(header_length, len(data))
    document = parse_json_fast(data[:end])
    if (
        not isinstance(document, dict)
        or not isinstance(document.get("inputs"), list)
        or not document["inputs"]
    ):
        raise _wrong("/inputs", "inputs is required: an array of tensors", "missing_field")
    if len(document["inputs"]) > most:
        detail = f"inputs has {len(document['inputs']):,} tensors, and the model takes at most {most:,}"
        raise _wrong("/inputs", detail, "wrong_count")
    rest = memoryview(data)[end:]
    tensors: dict[str, Tensor] = {}  # by name
    for i, described in enumerate(document["inputs"]):
        tensor, rest = _tensor(described, rest, f"/inputs/{i}")
        if tensor.name in tensors:
            raise _wrong(f"/inputs/{i}/name", f"{shown(tensor.name)} stands twice in inputs", "repeated")
        tensors[tensor.name] = tensor
    if len(rest):
        raise _wrong("", f"{len(rest)} bytes follow the last tensor", "wrong_count")
    inputs = list(tensors.values())
    return InferenceRequest(_identity(document), inputs, _outputs(document), _asks_binary(document))


def _header_end(text: str, size: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= size):
        detail = f"Inference-Header-Content-Length must be at most the body's {size} bytes, got {text[:40]}"
        raise ServiceError("bad_request", detail)
    return int(text)


def _identity(document: Mapping[str, Any]) -> str | None:
    identity = document.get("id")
    if not isinstance(identity, str | int | None):  # a list nested deep could not even be shown
        raise _wrong("/id", f"id must be a string, got {shown(identity)}")
    return None if identity is None else str(identity)


def _asks_binary(document: Mapping[str, Any]) -> bool:
    parameters = document.get("parameters")
    return isinstance(parameters, dict) and parameters.get("binary_data_output") is True


def _outputs(document: Mapping[str, Any]) -> dict[str, bool] | None:
    described = document.get("outputs")
    if described is None or described == []:
        return None
    if not isinstance(described, list) or not all(isinstance(each, dict) for each in described):
        raise _wrong("/outputs", "outputs must be an array of objects")
    found = {}
    for i, each in enumerate(described):
        if not isinstance(each.get("name"), str):
            raise _wrong(f"/outputs/{i}/name", "name is required", "missing_field")
        parameters = each.get("parameters")
        asked = parameters.get("binary_data") if isinstance(parameters, dict) else None
        found[each["name"]] = _asks_binary(document) if asked is None else asked is True
    return found


def _tensor(described: Any, rest: memoryview, pointer: str) -> tuple[Tensor, memoryview]:
    if not isinstance(described, dict):
        raise _wrong(pointer, f"a tensor must be an object, got {shown(described)}")
    name, datatype, shape = (described.get(member) for member in ("name", "datatype", "shape"))
    if not isinstance(name, str):
        raise _wrong(f"{pointer}/name", f"name must be a string, got {shown(name)}")
    if datatype not in DATATYPES:
        raise _wrong(
            f"{pointer}/datatype", f"datatype must be one of {', '.join(DATATYPES)}, got {shown(datatype)}"
        )
    if not isinstance(shape, list) or not 1 <= len(shape) <= MAX_NESTING or not all(map(_is_size, shape)):
        detail = (
            f"shape must be an array of 1 to {MAX_NESTING} sizes between 0 and {MAX_SIZE}, got {shown(shape)}"
        )
        raise _wrong(f"{pointer}/shape", detail)
    count = int(np.prod([int(size) for size in shape], dtype=object))
    parameters = described.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        cells = _json_cells(described.get("data"), datatype, pointer)
    else:
        if not _is_size(size) or size > len(rest):
            left = f"the {len(rest)} bytes that are left"
            detail = f"binary_data_size must lie between 0 and {left}, got {shown(size)}"
            raise _wrong(f"{pointer}/parameters/binary_data_size", detail)
        cells, rest = _binary_cells(rest[:size], datatype, pointer), rest[size:]
    if len(cells) != count:
        raise _wrong(
            f"{pointer}/shape", f"the shape has {count} elements, the data {len(cells)}", "wrong_count"
        )
    return Tensor(name, datatype, tuple(shape), cells), rest


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_SIZE


def _json_cells(data: Any, datatype: str, pointer: str) -> Numbers | list[str]:
    if not isinstance(data, list):
        raise _wrong(f"{pointer}/data", f"data must be an array, got {shown(data)}")
    for _ in range(MAX_NESTING):
        if set(map(type, data)) != {list}:
            break
        data = list(chain.from_iterable(data))
    kinds = set(map(type, data))
    wanted = _CELLS.get(datatype, _NUMBERS)
    if not kinds <= wanted:
        raise _wrong(
            f"{pointer}/data", f"data must hold {datatype} only, got {shown(_first_other(data, wanted))}"
        )
    if datatype == "BYTES":
        return list(data)
    try:
        return np.array(data, dtype=np.bool_ if datatype == "BOOL" else np.float64)
    except OverflowError:
        raise _wrong(f"{pointer}/data", "a number is too large for a float64") from None


def _first_other(data: Sequence[Any], wanted: frozenset[type]) -> Any:
    return next(cell for cell in data if type(cell) not in wanted)


def _binary_cells(data: memoryview, datatype: str, pointer: str) -> Numbers | list[str]:
    if datatype == "BYTES":
        return _binary_texts(data, pointer)
    kind = np.dtype(KINDS[datatype])
    if len(data) % kind.itemsize:
        raise _wrong(pointer, f"{len(data)} bytes are no whole number of {datatype}", "wrong_count")
    numbers = np.frombuffer(data, dtype=kind)
    return numbers if datatype == "BOOL" else numbers.astype(np.float64)


def _binary_texts(data: memoryview, pointer: str) -> list[str]:
    """Each text behind its length in four bytes."""
    texts, start = [], 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "little")
        start += 4 + length
        if start > len(data):
            raise _wrong(pointer, "a text's length goes beyond the tensor's end", "wrong_count")
        try:
            texts.append(bytes(data[start - length : start]).decode())
        except UnicodeDecodeError:
            raise _wrong(pointer, "a text is not UTF-8") from None
    return texts


def write_response(
    head: Mapping[str, Any], outputs: Mapping[str, Numbers | list[str]], binary: Mapping[str, bool]
) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON where binary tensors follow it."""
    described, tails = [], []
    for name, cells in outputs.items():
        is_text = isinstance(cells, list)
        shape = [len(cells)] if isinstance(cells, list) else list(cells.shape)
        tensor: dict[str, Any] = {"name": name, "datatype": "BYTES" if is_text else "FP64", "shape": shape}
        if binary.get(name, False):
            tails.append(_packed(cells))
            tensor["parameters"] = {"binary_data_size": len(tails[-1])}
        else:
            tensor["data"] = cells if isinstance(cells, list) else cells.ravel().tolist()
        described.append(tensor)
    text = orjson.dumps({**head, "outputs": described})
    return b"".join([text, *tails]), len(text) if tails else None


def _packed(cells: Numbers | list[str]) -> bytes:
    if isinstance(cells, list):
        texts = [cell.encode() for cell in cells]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return cells.astype("<f8").tobytes()


def _wrong(pointer: str, detail: str, code: str = "wrong_type") -> ServiceError:
    return invalid([Problem(pointer, code, detail)])
