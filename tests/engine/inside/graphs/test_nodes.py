"""Nodes of any expression."""

from engine.autograd.value import Value
from engine.inside.graphs.nodes import Graph, scalar_nodes


def test_what_is_not_finite_is_null() -> None:
    x = Value(0.0, label="x")
    root = x.sqrt()
    root.backward()
    nodes = scalar_nodes(root)
    assert [(node.data, node.grad) for node in nodes] == [(0.0, None), (0.0, 1.0)]
    assert "grad inf" in str(Graph("scalar", 0, nodes, root).dot())


def test_a_shared_operand_is_one_node() -> None:
    x = Value(3.0, label="x")
    assert [(n.op, n.operands) for n in scalar_nodes(x * x)] == [("", []), ("*", [0, 0])]
