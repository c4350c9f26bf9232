"""The CPU's floating-point mode: denormal numbers flushed to 0 while a program runs, and restored after.

A denormal operand makes an instruction some hundred times slower on many CPUs, and a network that has
learnt its data makes many of them.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

from engine.compiler.assembly.vectors import Vectors

_X86_FLAGS = 0x8040  # MXCSR: flush results to zero, take denormal operands as zero
_ARM_FLAG = 1 << 24  # FPCR: flush to zero


def flush_denormals(code: Vectors) -> Callable[[], None]:
    """Emits the change of mode; the function returned emits its undoing."""
    if platform.machine() in ("x86_64", "AMD64", "i686"):
        return _flush_on_x86(code)
    if platform.machine() in ("aarch64", "arm64"):
        return _flush_on_arm(code)
    return lambda: None


def _flush_on_x86(code: Vectors) -> Callable[[], None]:
    before, after = code.value("alloca i32"), code.value("alloca i32")
    code.declare("void @llvm.x86.sse.stmxcsr(ptr)")
    code.declare("void @llvm.x86.sse.ldmxcsr(ptr)")
    code.do(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
    mode = code.value(f"load i32, ptr {before}")
    code.do(f"store i32 {code.value(f'or i32 {mode}, {_X86_FLAGS}')}, ptr {after}")
    code.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {after})")
    return lambda: code.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")


def _flush_on_arm(code: Vectors) -> Callable[[], None]:
    write = 'call void asm sideeffect "msr fpcr, $0", "r"(i64 {})'
    before = code.value('call i64 asm sideeffect "mrs $0, fpcr", "=r"()')
    code.do(write.format(code.value(f"or i64 {before}, {_ARM_FLAG}")))
    return lambda: code.do(write.format(before))
