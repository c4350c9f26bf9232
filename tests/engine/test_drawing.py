"""Drawings: DOT held word for word, SVG read back as XML."""

import warnings
from xml.etree import ElementTree

import pytest

from engine.autograd.value import Value
from engine.drawing import Drawing, draw_dot, render_svg


def test_a_small_graph_in_dot_word_for_word() -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    product = a * b
    product.label = "p"
    product.backward()
    assert str(draw_dot(product)).splitlines() == [
        "digraph {",
        "  rankdir=LR",
        '  "0" [shape=record label="{ a | data 2.0000 | grad -3.0000 }"]',
        '  "1" [shape=record label="{ b | data -3.0000 | grad 2.0000 }"]',
        '  "2" [shape=record label="{ p | data -6.0000 | grad 1.0000 }"]',
        '  "2*" [label="*"]',
        '  "2*" -> "2"',
        '  "0" -> "2*"',
        '  "1" -> "2*"',
        "}",
    ]


def test_the_same_graph_is_drawn_the_same_way_every_time() -> None:
    def drawn() -> str:
        x = Value(0.5, label="x")
        return str(draw_dot((x * x + x.tanh()).relu() / 3.0))

    assert drawn() == drawn()


def test_a_shared_value_is_drawn_once() -> None:
    x = Value(2.0, label="x")
    assert str(draw_dot(x * x + x)).count("{ x | ") == 1


@pytest.mark.parametrize("sign", ["|", "{", "}", "<", ">", '"', "\\"])
def test_signs_that_mean_something_in_dot_are_escaped(sign: str) -> None:
    label = f"left{sign}right"
    drawing = draw_dot(Value(1.0, label=label))
    assert f"left\\{sign}right" in str(drawing)
    svg = ElementTree.fromstring(drawing.svg())
    assert label in "".join(svg.itertext())


def test_the_svg_holds_every_box_and_every_operation() -> None:
    a, b, c = (Value(x, label=name) for name, x in (("alpha", 2.0), ("beta", -3.0), ("gamma", 10.0)))
    drawing = draw_dot((a * b + c).tanh().exp())
    svg = ElementTree.fromstring(drawing.svg())
    assert svg.tag.endswith("svg")
    words = {text.strip() for text in svg.itertext()}
    assert {"alpha", "beta", "gamma", "*", "+", "tanh", "exp", "data 2.0000", "data -3.0000"} <= words
    nodes = [g for g in svg.iter() if g.get("class") == "node"]
    assert len(nodes) == 3 + 4 + 4  # leaves, computed values, operations
    assert len([g for g in svg.iter() if g.get("class") == "edge"]) == 2 * 3 + 2 * 2


def test_notebooks_are_shown_the_same_picture() -> None:
    drawing = draw_dot(Value(1.0, label="only"))
    assert drawing._repr_svg_() == drawing.svg() == render_svg(str(drawing))


def test_infinite_and_missing_numbers_are_drawn() -> None:
    drawing = draw_dot(Value(1.0) / 0.0 + Value(float("nan")))
    assert "data inf" in str(drawing)
    assert "data nan" in str(drawing)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ElementTree.fromstring(drawing.svg())


def test_a_drawing_can_be_made_of_any_dot_text() -> None:
    svg = ElementTree.fromstring(Drawing('digraph { "first" -> "second" }').svg())
    assert {"first", "second"} <= {text.strip() for text in svg.itertext()}
