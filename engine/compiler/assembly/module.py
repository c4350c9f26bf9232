"""A module of functions in LLVM assembly: what one compilation turns into machine code."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from engine.compiler.assembly.ir import Real
from engine.compiler.assembly.vectors import Vectors

# The stack is aligned to whole vectors: a spilled one that straddles two cache lines costs twice.
_ATTRIBUTES = (
    "nounwind",
    'alignstack=64 "stackrealign"',
    '"prefer-vector-width"="512"',
    '"min-legal-vector-width"="512"',
)


class Module:
    """Functions of one program. Each is emitted once for a key, however many layers share its shape."""

    def __init__(self, real: Real) -> None:
        self.real = real
        self._names: dict[Hashable, str] = {}
        self._texts: list[str] = []
        self._declarations: dict[str, None] = {}

    def declare(self, signature: str) -> None:
        """An intrinsic that the functions call."""
        self._declarations[f"declare {signature}"] = None

    def define(
        self, key: Hashable, name: str, parameters: Sequence[str], emit: Callable[[Vectors], None]
    ) -> str:
        """The name of the function with this key; `emit` fills its body the first time.

        Pointers among `parameters` must not overlap what another one writes.
        """
        if key not in self._names:
            self._names[key] = f"@{name}.{len(self._names)}"
            code = Vectors(self.real, self.declare)
            emit(code)
            typed = ", ".join(_typed(parameter) for parameter in parameters)
            self._texts.append(
                f"define internal void {self._names[key]}({typed}) #0 {{\nentry:\n{code.text}\n  ret void\n}}"
            )
        return self._names[key]

    def entry(self, name: str, parameters: Sequence[str], emit: Callable[[Vectors], None]) -> None:
        """A function that is called from outside."""
        code = Vectors(self.real, self.declare)
        emit(code)
        typed = ", ".join(_typed(parameter) for parameter in parameters)
        self._texts.append(f"define void @{name}({typed}) #0 {{\nentry:\n{code.text}\n  ret void\n}}")

    @property
    def text(self) -> str:
        """The whole module as assembly."""
        attributes = " ".join(_ATTRIBUTES)
        return "\n".join([*self._declarations, *self._texts, f"attributes #0 = {{ {attributes} }}", ""])


def _typed(parameter: str) -> str:
    """`%x*` is a pointer that nothing else aliases, `%x` an integer."""
    return f"ptr noalias {parameter[:-1]}" if parameter.endswith("*") else f"i64 {parameter}"
