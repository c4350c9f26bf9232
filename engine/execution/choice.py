"""Which executor carries out a training: the fastest that this machine has, unless one is named."""

from __future__ import annotations

from collections.abc import Callable

from engine.execution.arrays import ArrayExecutor
from engine.execution.eager import EagerExecutor
from engine.execution.plan import Executor, Plan, State
from engine.registry import Registry

EXECUTORS: Registry[Callable[[Plan, State], Executor]] = Registry("executor")
EXECUTORS.add("arrays", ArrayExecutor)
EXECUTORS.add("eager", EagerExecutor)


def make_executor(plan: Plan, state: State, name: str | None = None) -> Executor:
    """The executor called `name`, or the fastest one; raises UnknownName."""
    return EXECUTORS.get(name or EXECUTORS.names()[0])(plan, state)
