"""Which executor carries out a training: the fastest that this machine has, unless one is named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module

from engine.execution.arrays import ArrayExecutor, allocated_by_arrays
from engine.execution.eager import EagerExecutor
from engine.execution.plan import Executor, Plan, State
from engine.registry import Registry

EXECUTORS: Registry[Callable[[Plan, State], Executor]] = Registry("executor")


@EXECUTORS.register("compiled")
def _compiled(plan: Plan, state: State) -> Executor:
    """Loaded when first asked for: the compiler's library takes its time, and some platforms lack it."""
    executor: Executor = import_module("engine.execution.compiled.executor").CompiledExecutor(plan, state)
    return executor


EXECUTORS.add("arrays", ArrayExecutor)
EXECUTORS.add("eager", EagerExecutor)


def make_executor(plan: Plan, state: State, name: str | None = None) -> Executor:
    """The executor called `name`, or the fastest one; raises UnknownName."""
    return EXECUTORS.get(name or ("compiled" if can_compile() else "arrays"))(plan, state)


def allocated_bytes(plan: Plan) -> int:
    """What the fastest executor allocates for a plan, whose rows may be hollow."""
    if can_compile():
        allocated: int = import_module("engine.execution.compiled.memory").allocated_bytes(plan)
        return allocated
    return allocated_by_arrays(plan)


@cache
def can_compile() -> bool:
    """Whether this machine has the compiler; if not, a warning says so once."""
    try:
        import_module("llvmlite.binding")
    except (ImportError, OSError) as error:
        message = f"trainings run uncompiled, several times slower: llvmlite cannot be loaded ({error})"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return False
    return True
