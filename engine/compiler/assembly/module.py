"""A module of functions in LLVM assembly: what one compilation turns into machine code."""

from __future__ import annotations

from collections import Counter
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
    """Functions of one program. Each is emitted once for a key, however many layers share its shape.

    With `inlined`, one that was asked for once becomes a part of its caller.
    """

    def __init__(self, real: Real, *, inlined: bool = False) -> None:
        self.real, self._inlined = real, inlined
        self._names: dict[Hashable, str] = {}
        self._asked: Counter[str] = Counter()
        self._functions: dict[str, tuple[str, str]] = {}  # by name: parameters, body
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
            self._functions[self._names[key]] = _typed(parameters), code.text
        self._asked[self._names[key]] += 1
        return self._names[key]

    def entry(self, name: str, parameters: Sequence[str], emit: Callable[[Vectors], None]) -> None:
        """A function that is called from outside."""
        code = Vectors(self.real, self.declare)
        emit(code)
        self._functions[f"@{name}"] = _typed(parameters), code.text

    @property
    def text(self) -> str:
        """The whole module as assembly."""
        attributes = f"attributes #0 = {{ {' '.join(_ATTRIBUTES)} }}"
        functions = [self._function(name, *parts) for name, parts in self._functions.items()]
        return "\n".join([*self._declarations, *functions, attributes, ""])

    def _function(self, name: str, parameters: str, body: str) -> str:
        linkage = "internal " if name in self._asked else ""
        inlining = "alwaysinline " if self._inlined and self._asked[name] == 1 else ""
        return f"define {linkage}void {name}({parameters}) {inlining}#0 {{\nentry:\n{body}\n  ret void\n}}"


def _typed(parameters: Sequence[str]) -> str:
    """`%x*` is a pointer that nothing else aliases, `%x` an integer."""
    return ", ".join(
        f"ptr noalias {each[:-1]}" if each.endswith("*") else f"i64 {each}" for each in parameters
    )
