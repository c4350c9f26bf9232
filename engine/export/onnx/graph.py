"""An ONNX graph under construction: tensors by name, nodes in order (onnx.proto, IR version 9, opset 19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.export.onnx.protobuf import integer, integers, text, texts

DOUBLE, FLOAT, INT64, STRING, BOOL = 11, 1, 7, 8, 9
_KINDS = {"f8": DOUBLE, "i8": INT64, "b1": BOOL}
_SIGNS = {"+": "Add", "-": "Sub", "*": "Mul"}
_COMPARISONS = {">": "Greater", ">=": "GreaterOrEqual", "<": "Less", "<=": "LessOrEqual", "==": "Equal"}
_FUNCTIONS = {"abs": "Abs", "divide": "Div", "exp": "Exp", "log": "Log", "power": "Pow", "sqrt": "Sqrt"}


class OnnxGraph:
    """Nodes and constants; each method adds one operation and gives its result's name.

    It is a target of `scalars.write`: an activation becomes a chain of elementwise nodes.
    """

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._ends: dict[int, list[bytes]] = {11: [], 12: []}
        self._names = 0

    def node(self, operation: str, *operands: str, domain: str = "", **attributes: Any) -> str:
        """The result of an operation on named tensors."""
        result = self._new_name()
        message = texts(1, operands) + text(2, result) + text(4, operation)
        message += texts(5, (_attribute(name, value) for name, value in attributes.items()))
        self._nodes.append(message + (text(7, domain) if domain else b""))
        return result

    def constant(self, values: NDArray[Any] | Sequence[str], shape: Sequence[int] | None = None) -> str:
        """A tensor of numbers, or of texts with a shape."""
        name = self._new_name()
        self._constants.append(_tensor(name, values, shape))
        return name

    def begin(self, name: str, kind: int, columns: int) -> str:
        """An input of the graph, (rows, columns)."""
        self._ends[11].append(_value(name, kind, columns))
        return name

    def end(self, name: str, tensor: str, kind: int, columns: int | None) -> None:
        """An output of the graph: (rows, columns), or (rows,)."""
        self._nodes.append(text(1, tensor) + text(2, name) + text(4, "Identity"))
        self._ends[12].append(_value(name, kind, columns))

    def number(self, value: float) -> str:
        """A constant."""
        return self.constant(np.array(value))

    def negated(self, a: str) -> str:
        """−a."""
        return self.node("Neg", a)

    def combined(self, sign: str, a: str, b: str) -> str:
        """Sums, differences, products."""
        return self.node(_SIGNS[sign], a, b)

    def compared(self, sign: str, a: str, b: str) -> str:
        """A condition."""
        if sign == "!=":
            return self.node("Not", self.node("Equal", a, b))
        return self.node(_COMPARISONS[sign], a, b)

    def either(self, a: str, b: str) -> str:
        """One condition or the other."""
        return self.node("Or", a, b)

    def chosen(self, test: str, a: str, b: str) -> str:
        """a where the test holds, else b."""
        return self.node("Where", test, a, b)

    def called(self, function: str, arguments: list[str]) -> str:
        """A function of the table."""
        if function == "expm1":
            return self.node("Sub", self.node("Exp", *arguments), self.number(1.0))
        if function == "log1p":
            return self.node("Log", self.node("Add", self.number(1.0), *arguments))
        if function in ("erf", "tanh"):
            # Runtimes may have these in float32 only (onnxruntime: Erf).
            if function == "tanh":
                return self.node("Tanh", *arguments)
            narrow = self.node("Cast", *arguments, to=FLOAT)
            return self.node("Cast", self.node("Erf", narrow), to=DOUBLE)
        return self.node(_FUNCTIONS[function], *arguments)

    def step(self, value: str) -> str:
        """Every result has a name already."""
        return value

    def to_bytes(self, title: str, version: str, metadata: dict[str, str]) -> bytes:
        """The model file."""
        graph = texts(1, self._nodes) + text(2, "model") + texts(5, self._constants)
        graph += b"".join(texts(field, ends) for field, ends in self._ends.items())
        opsets = [text(1, "") + integer(2, 19), text(1, "ai.onnx.ml") + integer(2, 3)]
        properties = [text(1, name) + text(2, value) for name, value in metadata.items()]
        head = integer(1, 9) + text(2, "gradhouse") + text(3, version) + text(6, title)
        return head + text(7, graph) + texts(8, opsets) + texts(14, properties)

    def _new_name(self) -> str:
        self._names += 1
        return f"t{self._names}"


def _attribute(name: str, value: Any) -> bytes:
    if isinstance(value, int):
        return text(1, name) + integer(3, value) + integer(20, 2)
    if value and isinstance(value[0], str):
        return text(1, name) + texts(9, value) + integer(20, 8)
    return text(1, name) + integers(8, value) + integer(20, 7)


def _tensor(name: str, values: Any, shape: Sequence[int] | None) -> bytes:
    if isinstance(values, np.ndarray):
        kind = values.dtype.newbyteorder("<")
        dimensions = integers(1, values.shape)
        raw = np.ascontiguousarray(values).astype(kind).tobytes()
        return dimensions + integer(2, _KINDS[kind.str[1:]]) + text(8, name) + text(9, raw)
    return integers(1, shape or (len(values),)) + integer(2, STRING) + texts(6, values) + text(8, name)


def _value(name: str, kind: int, columns: int | None) -> bytes:
    dimensions = [text(2, "rows"), *([] if columns is None else [integer(1, columns)])]
    shape = texts(1, dimensions)
    return text(1, name) + text(2, text(1, integer(1, kind) + text(2, shape)))
