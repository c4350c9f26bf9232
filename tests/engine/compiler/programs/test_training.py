"""Programs: kept by shape, as long as they are used, run in many threads at once."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

from engine.compiler.jit import host
from engine.compiler.programs.training import program, regions
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.compiled.memory import shape_of
from tests.engine.compiler.plans import make_plan


def test_a_shape_is_compiled_once() -> None:
    plan, state = make_plan([3, 4, 1], batch=5)
    assert program(shape_of(plan)) is program(shape_of(plan))
    assert CompiledExecutor(plan, state).run(1).rows.shape[0] == 1


def test_programs_are_kept_in_a_bounded_number_and_freed_when_nobody_runs_them() -> None:
    assert program.cache_parameters()["maxsize"] == 64
    plan, state = make_plan([3, 5, 1], batch=5)
    executor = CompiledExecutor(plan, state)
    made = weakref.ref(program(shape_of(plan), None, None))
    program.cache_clear()
    gc.collect()
    assert made() is not None  # the executor has it
    assert len(executor.run(1).rows) == 1
    del executor
    gc.collect()
    assert made() is None


def test_the_workspace_is_known_without_compiling() -> None:
    plan, _ = make_plan([3, 20, 1], batch=5, validation=3, dropout=0.1)
    shape = shape_of(plan)
    assert regions(shape).size == program(shape).network.size


def test_the_text_of_a_program_is_the_same_every_time() -> None:
    plan, _ = make_plan([3, 20, 1], batch=5, validation=3, dropout=0.1)
    shape = shape_of(plan)
    texts = {type(program(shape))(shape, host(), None).text for _ in range(2)}
    assert len(texts) == 1


def test_runs_in_threads_do_not_disturb_each_other() -> None:
    plans = [make_plan([3, 20, 1], batch=5, epochs=200, seed=seed) for seed in range(4)]
    alone = [CompiledExecutor(*plan).run(200).rows.tobytes() for plan in plans]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda plan: CompiledExecutor(*plan).run(200).rows.tobytes(), plans))
    assert together == alone
