"""Programs: kept by shape, run in many threads at once."""

from concurrent.futures import ThreadPoolExecutor

from engine.compiler.jit import host
from engine.compiler.programs.training import program
from engine.execution.compiled import CompiledExecutor
from engine.execution.compiled_data import shape_of
from tests.engine.compiler.plans import make_plan


def test_a_shape_is_compiled_once() -> None:
    plan, state = make_plan([3, 4, 1], batch=5)
    assert program(shape_of(plan)) is program(shape_of(plan))
    assert CompiledExecutor(plan, state).run(1).rows.shape[0] == 1


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
