"""The end of an epoch: its sums to the history, its loss judged, the best parameters kept.

The columns are those of `Tally.columns` in execution/tally.py, the rules those of `State.observe` and
`Plan.is_over` in execution/plan.py.
"""

from __future__ import annotations

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.heads import TALLIES
from engine.compiler.programs.frame import SPLIT_DOUBLES, FrameInCode
from engine.compiler.programs.network import Network
from engine.compiler.programs.shape import ProgramShape


class EpochEnd:
    """Emits what happens after an epoch's last step."""

    def __init__(self, code: Vectors, frame: FrameInCode, shape: ProgramShape, network: Network) -> None:
        self._code, self._frame, self._shape, self._network = code, frame, shape, network

    def emit(self, epoch: Index, first: str) -> None:
        """Writes the epoch's row of history and decides what it means."""
        code, frame = self._code, self._frame
        sums = self._sums()
        columns = self._columns(epoch, sums)
        self._write(code.subtract(epoch, first), columns)
        finite, value = self._finite(sums), self._watched(columns)
        done = code.value(f"add i64 {epoch}, 1")
        frame.store("epoch", done)
        diverged = code.value(f"xor i1 {finite}, true")
        frame.store("diverged", code.value(f"zext i1 {diverged} to i64"))
        bound = code.value(f"fsub double {frame.load('best_value')}, {frame.load('min_delta')}")
        better = code.value(f"fcmp olt double {value}, {bound}")
        better = code.value(f"select i1 {finite}, i1 {better}, i1 false")
        code.when(better, lambda: self._keep(done, value))

    def is_over(self) -> str:
        """Whether the loss is lost or patience has ended."""
        code, frame = self._code, self._frame
        waited = code.value(f"sub i64 {frame.load('epoch')}, {frame.load('best_epoch')}")
        tired = code.value(f"icmp sge i64 {waited}, {frame.load('patience')}")
        diverged = code.value(f"icmp ne i64 {frame.load('diverged')}, 0")
        return code.value(f"select i1 {tired}, i1 true, i1 {diverged}")

    def _sums(self) -> list[str]:
        """Three sums of training, three of validation, and that of the norms."""
        lanes = self._shape.real.lanes
        totals = [self._total(i * lanes) for i in range(2 * TALLIES)]
        address = self._network.norm_address(self._code)
        return [*totals, self._code.value(f"load double, ptr {address}, align 8")]

    def _total(self, position: int) -> str:
        """What the lanes of one sum add up to, halves onto halves."""
        code, lanes = self._code, self._shape.real.lanes
        vector = f"<{lanes} x double>"
        address = self._network.sum_address(code, position)
        total, width = code.value(f"load {vector}, ptr {address}, align 64"), lanes // 2
        while width:
            picked = ", ".join(f"i32 {lane}" for lane in [*range(width, 2 * width)] + [0] * (lanes - width))
            upper = code.value(f"shufflevector {vector} {total}, {vector} poison, <{lanes} x i32> <{picked}>")
            total = code.value(f"fadd {vector} {total}, {upper}")
            width //= 2
        return code.value(f"extractelement {vector} {total}, i64 0")

    def _finite(self, sums: list[str]) -> str:
        """Whether the losses are finite: x − x is 0 only then."""
        code = self._code
        losses = [sums[0], sums[TALLIES]] if self._shape.validated else [sums[0]]
        checks = []
        for loss in losses:
            nothing = code.value(f"fsub double {loss}, {loss}")
            checks.append(code.value(f"fcmp oeq double {nothing}, 0.0"))
        return checks[0] if len(checks) == 1 else code.value(f"and i1 {checks[0]}, {checks[1]}")

    def _columns(self, epoch: Index, sums: list[str]) -> dict[str, str]:
        """The history's columns by their names, in the plan's order."""
        found: dict[str, str] = {}
        for i, split in enumerate(("train", "val") if self._shape.validated else ("train",)):
            found |= self._measured(split, sums[i * TALLIES : (i + 1) * TALLIES])
        steps = self._code.value(f"sitofp i64 {self._frame.load('steps')} to double")
        rates = self._frame.load("rates")
        place = self._code.value(f"getelementptr inbounds double, ptr {rates}, i64 {epoch}")
        rate = self._code.value(f"load double, ptr {place}, align 8")
        return found | {"learning_rate": rate, "grad_norm": self._double("fdiv", sums[-1], steps)}

    def _measured(self, split: str, sums: list[str]) -> dict[str, str]:
        """A split's loss and metrics."""
        loss, *others = sums
        divisor, count, scale, deviation = (self._frame.load(f"{split}_{name}") for name in SPLIT_DOUBLES)
        found = {f"{split}_loss": self._double("fdiv", loss, divisor)}
        if self._shape.kind == "classes":
            return found | {f"{split}_accuracy": self._double("fdiv", others[0], count)}
        squares, magnitudes = others
        r2 = self._double("fsub", "1.0", self._double("fdiv", squares, deviation))
        mae = self._double("fdiv", self._double("fmul", scale, magnitudes), count)
        mean = self._double("fdiv", squares, count)
        self._code.declare("double @llvm.sqrt.f64(double)")
        root = self._code.value(f"call double @llvm.sqrt.f64(double {mean})")
        rmse = self._double("fmul", scale, root)
        return found | {f"{split}_r2": r2, f"{split}_mae": mae, f"{split}_rmse": rmse}

    def _double(self, operation: str, a: str, b: str) -> str:
        return self._code.value(f"{operation} double {a}, {b}")

    def _write(self, row: Index, columns: dict[str, str]) -> None:
        """Fills an epoch's row of history."""
        code, history = self._code, self._frame.load("history")
        for place, number in enumerate(columns.values()):
            position = code.add(code.multiply(row, len(columns)), place)
            address = code.value(f"getelementptr inbounds double, ptr {history}, i64 {position}")
            code.do(f"store double {number}, ptr {address}, align 8")

    def _watched(self, columns: dict[str, str]) -> str:
        """The metric that decides on the best epoch, turned so that smaller is better."""
        value = columns[self._shape.watched]
        is_loss = self._shape.watched.endswith("_loss")
        return value if is_loss else self._code.value(f"fneg double {value}")

    def _keep(self, done: str, value: str) -> None:
        """Notes the best epoch and copies its parameters."""
        code, network = self._code, self._network
        self._frame.store("best_epoch", done)
        self._frame.store("best_value", value)
        here, best = network.place(code, "parameters"), network.place(code, "best")

        def copy(k: Index, _: list[str]) -> list[str]:
            code.store(code.load(here, k), best, k)
            return []

        code.loop(0, network.packed, code.real.lanes, [], copy)
