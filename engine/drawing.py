"""An expression drawn: every value a box `label | data | grad`, every operation a node before it."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.autograd.value import Value, graph
from engine.errors import BadData

LAYOUT_SECONDS = 20.0


class Drawing:
    """A graph in DOT, Graphviz's language, and as SVG. Notebooks show it as a picture."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __str__(self) -> str:
        return self.source

    def svg(self) -> str:
        """The picture, laid out by Graphviz; raises BadData where that takes longer than LAYOUT_SECONDS."""
        return render_svg(self.source)

    def _repr_svg_(self) -> str:
        return self.svg()


def draw_dot(root: Value) -> Drawing:
    """The expression behind `root`, left to right, as it stands (grads are 0 before `backward()`).

    >>> print(draw_dot(Value(2.0, label="a")))
    digraph {
      rankdir=LR
      "0" [shape=record label="{ a | data 2.0000 | grad 0.0000 }"]
    }
    """
    return Drawing("\n".join(["digraph {", "  rankdir=LR", *_statements(graph(root)), "}"]))


@dataclass(frozen=True, slots=True)
class Box:
    """One node of a drawing that is not of single operations; `kind` is what it computes, if anything."""

    label: str
    kind: str
    data: float | None
    grad: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to a later one, perhaps with a weight: a negative one is drawn dashed."""

    start: int
    end: int
    weight: float | None = None


def draw_boxes(boxes: Sequence[Box], lines: Sequence[Line]) -> Drawing:
    """Boxes `label | kind | data | grad`, left to right, and the lines between them.

    >>> print(draw_boxes([Box("x", "", 2.0, 1.0), Box("n", "tanh", 0.5, None)], [Line(0, 1, -3.0)]))
    digraph {
      rankdir=LR
      "0" [shape=record label="{ x | data 2.0000 | grad 1.0000 }"]
      "1" [shape=record label="{ n | tanh | data 0.5000 | grad ? }"]
      "0" -> "1" [label="-3.0000" style=dashed]
    }
    """
    nodes = [f'  "{i}" [shape=record label="{{ {_record(box)} }}"]' for i, box in enumerate(boxes)]
    return Drawing("\n".join(["digraph {", "  rankdir=LR", *nodes, *map(_arrow, lines), "}"]))


def _record(box: Box) -> str:
    words = [_escaped(box.label), *([box.kind] if box.kind else [])]
    numbers = [
        f"{name} {'?' if x is None else format(x, '.4f')}"
        for name, x in (("data", box.data), ("grad", box.grad))
    ]
    return " | ".join([*words, *numbers])


def _arrow(line: Line) -> str:
    arrow = f'  "{line.start}" -> "{line.end}"'
    if line.weight is None:
        return arrow
    return f'{arrow} [label="{line.weight:.4f}" style={"dashed" if line.weight < 0 else "solid"}]'


def _statements(nodes: list[Value]) -> Iterator[str]:
    number = {id(node): i for i, node in enumerate(nodes)}
    for node in nodes:
        box = f"{{ {_escaped(node.label)} | data {node.data:.4f} | grad {node.grad:.4f} }}"
        yield f'  "{number[id(node)]}" [shape=record label="{box}"]'
        if node.op:
            operation = f'"{number[id(node)]}{node.op}"'
            yield f'  {operation} [label="{node.op}"]'
            yield f'  {operation} -> "{number[id(node)]}"'
            for operand in node.operands:
                yield f'  "{number[id(operand)]}" -> {operation}'


def _escaped(label: str) -> str:
    """A label with the signs escaped that end a string or divide a record in DOT."""
    return "".join(f"\\{sign}" if sign in '\\"{}|<>' else sign for sign in label)


def render_svg(source: str) -> str:
    """DOT text laid out as SVG by a Graphviz of our own, a static program that pip installs."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; the graph goes in by standard input
            [_graphviz(), "-Tsvg"],
            input=source,
            capture_output=True,
            text=True,
            timeout=LAYOUT_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise BadData.because(
            f"laying the graph out took longer than {LAYOUT_SECONDS:g} seconds",
            code="too_large",
            hint="ask for DOT or JSON, or for a smaller part of the graph",
        ) from None
    return done.stdout


def _graphviz() -> str:
    return shutil.which("graphviz-pure", path=sysconfig.get_path("scripts")) or shutil.which("dot") or "dot"
