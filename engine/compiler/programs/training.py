"""A whole training as one function: epochs, steps, validation, the best epoch, without a look back.

`Program` lays out the workspace and writes `run(frame)`, which trains from `first_epoch` to
`last_epoch` or until patience ends or the loss is no longer finite. Everything it touches is in the
frame's arrays and in the workspace.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path

from engine.compiler.assembly.floating import flush_denormals
from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Compiled, Target, compile_text, host
from engine.compiler.kernels import draws
from engine.compiler.kernels.layout import SMALL, packed_size
from engine.compiler.kernels.updates import TracedUpdate, UpdateKernels, square_sum
from engine.compiler.programs.epoch import EpochEnd
from engine.compiler.programs.frame import FrameInCode
from engine.compiler.programs.network import Network
from engine.compiler.programs.regions import Regions
from engine.compiler.programs.shape import ProgramShape, Structure
from engine.nn.optimizers import OPTIMIZERS

KNOWN_CORRECTIONS = 1_024
"""Steps whose corrections are handed over: early on 1 − βᵗ cancels, and only equal bits agree."""


@lru_cache(maxsize=256)
def traced_update(optimizer: str, knobs: Structure) -> TracedUpdate:
    """An optimizer's rule for knobs of such a structure."""
    return TracedUpdate(OPTIMIZERS.get(optimizer), dict(knobs))


def update_kernels(module: Module, shape: ProgramShape) -> UpdateKernels:
    """The kernels by which a program's parameters move."""
    return UpdateKernels(
        module,
        traced_update(shape.optimizer, shape.knobs),
        packed_size(shape.layouts),
        clipped=shape.clipped,
        guarded=shape.guarded,
    )


def regions(shape: ProgramShape, target: Target | None = None) -> Regions:
    """The workspace of a shape's program, known without compiling it."""
    registers = (target or host()).registers
    updates = update_kernels(Module(shape.real), shape)
    return Regions(shape, shape.rows(registers), updates.moments, updates.slots)


class Program:
    """The program of a shape, compiled. `network` tells where things lie in the workspace."""

    def __init__(self, shape: ProgramShape, target: Target, cache_directory: Path | None) -> None:
        self.shape = shape
        self.traced = traced_update(shape.optimizer, shape.knobs)
        # Calls are an eighth of a step of one row, and 2 % of one of 16 rows through a small network. Where
        # there are 16 registers, kernels of their own keep more in them, which is worth more.
        small = packed_size(shape.layouts) <= SMALL and target.registers >= 32
        self._module = Module(shape.real, inlined=shape.batch == 1 or small)
        self._updates = update_kernels(self._module, shape)
        self.network = Network(self._module, shape, shape.rows(target.registers), self._updates)
        self._code: Compiled = compile_text(
            lambda: self.text, ("run",), target, cache_directory, recipe=shape.recipe
        )
        self.run = self._code.function("run", 1)

    @cached_property
    def text(self) -> str:
        """The assembly, written when somebody asks."""
        self._module.entry("run", ["%frame*"], self._emit_run)
        return self._module.text

    def _emit_run(self, code: Vectors) -> None:
        frame = FrameInCode(code)
        restore = flush_denormals(code)
        run = _Run(code, frame, self, self._module, self._updates)
        self.network.transpose_all(code)
        if not self.shape.shuffled:
            run.gather("rows", 0)
        first, last = frame.load("first_epoch"), frame.load("last_epoch")
        end = EpochEnd(code, frame, self.shape, self.network)

        def epoch(index: Index, _: list[str]) -> list[str]:
            run.epoch(index)
            end.emit(index, first)
            return []

        code.loop(first, last, 1, [], epoch, unless=end.is_over)
        restore()


class _Run:
    """The body of `run`, epoch by epoch and step by step."""

    def __init__(
        self, code: Vectors, frame: FrameInCode, program: Program, module: Module, updates: UpdateKernels
    ) -> None:
        self._code, self._frame, self._updates = code, frame, updates
        self._shape, self._network, self._traced = program.shape, program.network, program.traced
        self._module = module
        names = ("x", "targets", "weights", "order", "workspace", "knobs", "rates", "corrections")
        self._data = {name: frame.load(name) for name in names}
        self._network.bind(self._data["workspace"])

    def gather(self, rows: str, start: Index) -> Index:
        """Brings the next batch into the network's input panels; how many rows it has."""
        code, data = self._code, self._data
        left = code.subtract(self._frame.load(rows), start)
        count = code.smaller(left, self._shape.batch)
        order = code.value(f"getelementptr inbounds i32, ptr {data['order']}, i64 {start}")
        sources = [data[name] for name in ("x", "targets", "weights")]
        self._network.gather(code, sources, order, count)
        return count

    def epoch(self, epoch: Index) -> None:
        """One epoch's shuffle, steps and validation."""
        code, frame, network = self._code, self._frame, self._network
        network.clear_sums(code)
        if self._shape.shuffled:
            key = draws.sub_key(code, frame.load("shuffle_key"), epoch)
            shuffle = draws.shuffle(self._module)
            arrays = [self._data["order"], frame.load("swaps")]
            code.call(shuffle, frame.load("rows"), key, pointers=arrays)
        steps = frame.load("steps")
        done = code.multiply(epoch, steps)
        padded = code.rounded_up(steps, code.real.lanes)
        if self._traced.corrections:
            self._correct(done, steps, padded)
        rate = code.value(f"getelementptr inbounds double, ptr {self._data['rates']}, i64 {epoch}")

        def step(k: Index, _: list[str]) -> list[str]:
            self._step(k, code.add(done, k), rate, padded)
            return []

        if self._shape.shuffled:
            code.loop(0, frame.load("steps_taken"), 1, [], step)
        else:
            step(0, [])
        if self._shape.validated:
            self._validate()

    def _correct(self, done: Index, steps: str, padded: Index) -> None:
        """Fills the table of corrections for an epoch's steps: with known ones, as far as there are any."""
        code, data = self._code, self._data
        pointers = [data["corrections"], data["knobs"]]
        late = code.value(f"icmp sgt i64 {code.add(done, steps)}, {KNOWN_CORRECTIONS}")
        code.when(late, lambda: code.call(self._updates.corrections(), done, padded, pointers=pointers))
        known = self._frame.load("known_corrections")

        def copy(k: Index, _: list[str]) -> list[str]:
            for i in range(len(self._traced.corrections)):
                number = code.load_number(known, code.add(i * KNOWN_CORRECTIONS, code.add(done, k)))
                code.store_number(number, data["corrections"], code.add(code.multiply(padded, i), k))
            return []

        early = code.value(f"icmp slt i64 {done}, {KNOWN_CORRECTIONS}")
        until = code.smaller(steps, code.value(f"sub i64 {KNOWN_CORRECTIONS}, {done}"))
        code.when(early, lambda: code.loop(0, until, 1, [], copy))

    def _step(self, k: Index, step: Index, rate: str, padded: Index) -> None:
        code, data, network = self._code, self._data, self._network
        if self._shape.shuffled:
            count = self.gather("rows", code.multiply(k, self._shape.batch))
        else:
            count = self._shape.batch
        constants = [network.place(code, "constants"), data["knobs"], rate, data["corrections"]]
        code.call(self._updates.constants(), k, padded, pointers=constants)
        key = draws.sub_key(code, self._frame.load("dropout_key"), step) if network.drops else "0"
        network.forward(code, count, dropout_key=key)
        network.backward(code, count)
        if self._shape.clipped:
            network.clip(code, self._frame.load("clip_norm"))
        network.update_all(code)
        self._note_norm()

    def _note_norm(self) -> None:
        """Adds the gradient's norm to the epoch's sum."""
        code, network, real = self._code, self._network, self._shape.real
        square = code.sum(square_sum(code, network.place(code, "constants")))
        wide = code.value(f"fpext float {square} to double") if real.bits == 32 else square
        code.declare("double @llvm.sqrt.f64(double)")
        norm = code.value(f"call double @llvm.sqrt.f64(double {wide})")
        address = network.norm_address(code)
        before = code.value(f"load double, ptr {address}, align 8")
        code.do(f"store double {code.value(f'fadd double {before}, {norm}')}, ptr {address}, align 8")

    def _validate(self) -> None:
        code, frame, network = self._code, self._frame, self._network
        rows = frame.load("validation_rows")
        data = [frame.load(f"validation_{name}") for name in ("x", "targets", "weights", "order")]

        def block(start: Index, _: list[str]) -> list[str]:
            count = code.smaller(code.subtract(rows, start), self._shape.batch)
            order = code.value(f"getelementptr inbounds i32, ptr {data[3]}, i64 {start}")
            network.gather(code, data[:3], order, count, training=False)
            network.forward(code, count, training=False)
            return []

        code.loop(0, rows, self._shape.batch, [], block)


@lru_cache(maxsize=64)
def program(
    shape: ProgramShape, target: Target | None = None, cache_directory: Path | None = None
) -> Program:
    """The compiled program of a shape, kept while it is in use."""
    return Program(shape, target or host(), cache_directory)
