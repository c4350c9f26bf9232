"""How near a training came to a point where slopes or answers jump, so that the last bit decides."""

import math
from itertools import combinations

from engine.autograd.value import Value, interior
from engine.execution.eager import EagerExecutor, mean_loss
from engine.execution.plan import Plan, Rows, State

ROUNDING = 1e-13
"""Executors that agree may be this far apart at numbers of a fuzzed training, which are around 1."""

_JUMPING_AT_ZERO = ("ReLU", "abs")
_JUMPING_AT_EQUAL = ("max", "min", ">", ">=")


def kink_distance(root: Value) -> float:
    """How far the operands behind `root` are from where an operation's slope jumps; infinite without one."""
    nearest = math.inf
    for node in interior(root):
        if node.op in _JUMPING_AT_ZERO:
            nearest = min(nearest, abs(node.operands[0].data))
        elif node.op in _JUMPING_AT_EQUAL:
            a, b = node.operands
            nearest = min(nearest, abs(a.data - b.data))
    return nearest


def tie_distance(scores: list[float]) -> float:
    """How far one row's scores are from choosing another class."""
    if len(scores) == 1:
        return abs(scores[0])
    return min(abs(a - b) for a, b in combinations(scores, 2))


class WatchfulExecutor(EagerExecutor):
    """The eager executor, which remembers how near it came to a kink or a tie in its training."""

    def __init__(self, plan: Plan, state: State) -> None:
        super().__init__(plan, state)
        self.nearest = math.inf

    def _batch_scores(self, rows: Rows, batch: list[int], step: int) -> list[list[Value]]:
        scores = super()._batch_scores(rows, batch, step)
        ties = [tie_distance([value.data for value in row]) for row in scores]
        self.nearest = min(
            self.nearest, kink_distance(mean_loss(self._plan.loss, scores, rows, batch)), *ties
        )
        return scores
