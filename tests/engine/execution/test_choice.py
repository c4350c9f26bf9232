"""Which executor trains: the compiled one, any by name, NumPy where llvmlite is missing."""

import subprocess
import sys

import pytest

from engine.execution.choice import EXECUTORS, can_compile, make_executor
from engine.registry import UnknownName
from tests.engine.compiler.plans import make_plan


def test_the_fastest_trains_unless_one_is_named() -> None:
    plan, state = make_plan([2, 1])
    assert can_compile()
    assert make_executor(plan, state).name == "compiled"
    for name in EXECUTORS.names():
        assert make_executor(plan, state, name).name == name
    with pytest.raises(UnknownName):
        make_executor(plan, state, "quantum")


def test_without_llvmlite_numpy_trains_with_one_warning() -> None:
    script = """
import sys, warnings
sys.modules["llvmlite"] = None
from engine.execution.choice import make_executor
from tests.engine.compiler.plans import make_plan
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = [make_executor(*make_plan([2, 1])).name for _ in range(3)]
print(names, [str(w.message)[:34] for w in caught])
"""
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "['arrays', 'arrays', 'arrays'] ['trainings run uncompiled, several ']"
