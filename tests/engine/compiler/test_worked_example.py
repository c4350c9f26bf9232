"""The example of docs/explanation/compiler.md, from `relu(1 - y*s)` to instructions, made again."""

import platform
import re
from pathlib import Path

import pytest
from llvmlite import binding

from engine.autograd.expression import parse_loss
from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.lower import Lowered, Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import host

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "compiler.md").read_text()
TRACE = Trace(parse_loss("relu(1 - y*s)"), 2)


def shown(language: str) -> list[list[str]]:
    """The page's blocks in a language, line by line, without comments."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return [[line.partition(";")[0].strip() for line in block.splitlines()] for block in blocks]


def readable(text: str) -> list[str]:
    """Assembly with constants as people write them."""
    text = text.replace(DOUBLE.literal(1.0), "1.0").replace(DOUBLE.literal(0.0), "0.0")
    return [line.strip() for line in text.splitlines()]


@pytest.fixture
def code() -> Vectors:
    return Vectors(DOUBLE, lambda _: None)


@pytest.fixture
def example(code: Vectors) -> Lowered:
    """The loss in instructions."""
    return lowered(code, TRACE, ["%s", "%y"])


def test_the_trace_has_the_nodes_shown() -> None:
    shown_nodes = [line.split()[0] for line in shown("")[0]]
    assert shown_nodes == ["leaf", "leaf", "*", "1.0", "-", "ReLU"]
    assert TRACE.text == "leaf 1, leaf 0, * 0 1, 1.0, - 3 2, ReLU 4"


def test_the_loss_and_its_slope_are_the_instructions_shown(code: Vectors, example: Lowered) -> None:
    forward, reverse = shown("llvm")
    assert readable(code.text) == forward
    assert forward[-1].startswith(example.vector(TRACE.root) + " =")
    (slope,) = example.slopes(TRACE.root, "%seed", TRACE.leaves[:1])
    assert readable(code.text) == forward + reverse
    assert reverse[-1].startswith(f"{slope} =")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the page shows a CPU with AVX-512")
def test_the_cpu_gets_the_four_instructions_shown() -> None:
    module = Module(DOUBLE)

    def emit(code: Vectors) -> None:
        example = lowered(code, TRACE, [code.load("%s"), code.load("%y")])
        code.store(example.vector(TRACE.root), "%loss")

    module.entry("loss", ("%s*", "%y*", "%loss*"), emit)
    host()  # wakes LLVM
    machine = binding.Target.from_default_triple().create_target_machine(cpu="skylake-avx512", opt=2)
    lines = [
        " ".join(line.split())
        for line in machine.emit_assembly(binding.parse_assembly(module.text)).splitlines()
    ]
    arithmetic = [line for line in lines if line.startswith(("vmul", "vsub", "vmax", "vmovapd (%rsi)"))]
    assert [arithmetic] == shown("asm")
