"""What an optimizer's update does to each parameter, in as few instructions as it takes."""

from __future__ import annotations

from engine.autograd.value import Value
from engine.compiler.assembly import elementary
from engine.compiler.assembly.lower import Lowered, Term, uses
from engine.compiler.assembly.vectors import Vectors


class FusedUpdate:
    """The varying nodes of an update: a product that only a sum wants joins it.

    Roots are iterated: the divider, which takes one operation at a time, is left to the quotients. They end
    with a product, which may join a sum as well.
    """

    def __init__(self, code: Vectors, nodes: list[Value], known: dict[int, Term]) -> None:
        self._code, self._known = code, known
        used = uses(nodes)
        self._fusible = {id(n) for n in nodes if (n.op == "*" or self._is_root(n)) and used[id(n)] == 1}
        for node in nodes:
            if id(node) not in known and id(node) not in self._fusible:
                known[id(node)] = self._term(node) if node.op else node.data

    def vector(self, node: Value) -> str:
        """A node's value in a register."""
        term = self._value(node)
        return self._code.constant(term) if isinstance(term, float) else term

    def _is_root(self, node: Value) -> bool:
        """Whether a node is √x: an exponent that varies is a register, whatever it was while traced."""
        exponent = node.operands[-1] if node.op == "**" else None
        return exponent is not None and self._known.get(id(exponent), exponent.data) == 0.5

    def _factors(self, node: Value) -> tuple[Term, Term]:
        """What a product, or a root, is the product of."""
        a, b = node.operands
        if self._is_root(node):
            return elementary.root_factors(self._code, self.vector(a))
        return self._value(a), self._value(b)

    def _value(self, node: Value) -> Term:
        """A node's value; a product that waited for a sum to join is computed now."""
        if id(node) not in self._known:
            self._known[id(node)] = self._code.times(*self._factors(node))
        return self._known[id(node)]

    def _term(self, node: Value) -> Term:
        code = self._code
        if node.op == "*" or self._is_root(node):
            return code.times(*self._factors(node))
        if node.op in ("+", "-") and (fused := self._fused(node)) is not None:
            return fused
        a, *b = (self._value(operand) for operand in node.operands)
        return Lowered(code, [node], dict(zip(map(id, node.operands), (a, *b), strict=True))).term(node)

    def _fused(self, node: Value) -> str | None:
        """a·b + c, or c − a·b, where one operand of the sum is a product used nowhere else."""
        code, (left, right) = self._code, node.operands
        if id(left) in self._fusible and id(left) not in self._known:
            a, b = self._factors(left)
            c = self._value(right)
            return code.fma(a, b, c if node.op == "+" else code.negative(c))
        if id(right) in self._fusible and id(right) not in self._known:
            a, b = self._factors(right)
            a = a if node.op == "+" else code.negative(a)
            return code.fma(a, b, self._value(left))
        return None
