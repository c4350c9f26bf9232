"""Trainings: the tutorial's numbers, resumed anywhere to the bit, stopped for every reason."""

import time
from typing import Any

import numpy as np
import pytest

from engine.data.reading.formats import table_from_rows
from engine.data.table import Table
from engine.errors import BadModel, Diverged
from engine.execution.choice import EXECUTORS
from engine.registry import UnknownName
from engine.training.records.history import HistoryBlock
from engine.training.records.snapshots import Budget, Recorder
from engine.training.trainer import Trainer
from tests.engine.trainings import SEED_DOCUMENT, SEED_TABLE, mixed_table, run, same_bits, spec_for

BINARY = mixed_table("binary")
FULL: dict[str, Any] = {
    "model": {"hidden_layers": [{"units": 4, "dropout": 0.2}, 3]},
    "class_weight": "balanced",
    "optimizer": {"name": "adam", "clip_norm": 0.5, "weight_decay": 0.01},
    "schedule": {"name": "cosine", "warmup_epochs": 2},
    "training": {"epochs": 9, "batch_size": 4, "early_stopping": {"patience": 50}},
}
each_executor = pytest.mark.parametrize("executor", EXECUTORS.names())


def trainer(document: dict[str, Any], table: Table = BINARY, **more: Any) -> Trainer:
    return Trainer(spec_for(table, **document), table, **more)


def quick(**training: Any) -> dict[str, Any]:
    return {"model": {"hidden_layers": [3]}, "training": {"early_stopping": None, "batch_size": 8} | training}


@each_executor
def test_the_tutorials_numbers_come_out_again(executor: str) -> None:
    history = run(trainer(SEED_DOCUMENT, SEED_TABLE, executor=executor))
    assert len(history) == 21
    loss, accuracy = history.columns["train_loss"], history.columns["train_accuracy"]
    expected = [0.7732538183378128, 0.21790039451868812, 0.17946586268211423]
    assert loss[[0, 10, 20]] == pytest.approx(expected, abs=1e-12)
    assert accuracy[[0, 10, 20]].tolist() == [0.68, 0.91, 0.94]
    rates = [1.0 - 0.9 * i / 21 for i in range(21)]
    assert history.columns["learning_rate"].tolist() == pytest.approx(rates, rel=1e-15)


@each_executor
def test_a_training_resumed_from_any_epoch_gives_the_same_bits(executor: str) -> None:
    straight = trainer(FULL, executor=executor)
    checkpoints, blocks = [straight.checkpoint()], []
    for block in straight.blocks(seconds=0.0):
        blocks.append(block)
        checkpoints.append(straight.checkpoint())
    assert [block.last_epoch for block in blocks] == list(range(1, 10))
    history, model = HistoryBlock.concatenate(blocks), straight.result().model
    for epoch, checkpoint in enumerate(checkpoints):
        resumed = trainer(FULL, executor=executor, checkpoint=checkpoint)
        assert resumed.epoch == epoch
        rest = [*blocks[:epoch], *resumed.blocks()]
        assert same_bits(HistoryBlock.concatenate(rest), history)
        assert resumed.result().model.sha256 == model.sha256
        assert resumed.result().model.to_bytes() == model.to_bytes()
        assert resumed.result().metrics == straight.result().metrics


@each_executor
def test_the_size_of_chunks_changes_nothing(executor: str) -> None:
    fine, coarse = trainer(FULL, executor=executor), trainer(FULL, executor=executor)
    assert same_bits(run(fine, 0.0), run(coarse, 60.0))
    assert fine.result().model.sha256 == coarse.result().model.sha256


@each_executor
def test_the_way_a_loss_does_not_take_leaves_the_parameters_finite(executor: str) -> None:
    # from zeros every first score is 0, where log and 1/s have no finite slope
    loss = {"expression": "where(s > 0, log(s) + 1/s, (s - y)**2 + where(s < 0, sqrt(s*s*s*s), 0))"}
    model = {"hidden_layers": [], "init": "zeros"}
    training = {"epochs": 2, "batch_size": None, "early_stopping": None}
    document = {"loss": loss, "model": model, "training": training, "split": {"validation": 0}}
    made = trainer(document | {"optimizer": {"name": "sgd", "learning_rate": 1e-3}}, executor=executor)
    assert np.isfinite(run(made).columns["grad_norm"]).all()
    assert np.isfinite(made.result().model.parameters).all()


def test_the_same_training_twice_gives_the_same_checkpoint() -> None:
    def state() -> tuple[bytes, bytes]:
        made = trainer(quick(epochs=3))
        run(made)
        return made.result().model.to_bytes(), made._executor.state.parameters.tobytes()

    assert state() == state()


@pytest.mark.parametrize("change", [{"seed": 2}, {"batch_size": 9}, {"epochs": 4}])
def test_another_seed_or_spec_gives_other_parameters(change: dict[str, Any]) -> None:
    one, other = trainer(quick(epochs=3)), trainer(quick(epochs=3) | quick(**({"epochs": 3} | change)))
    run(one)
    run(other)
    assert one.result().model.sha256 != other.result().model.sha256


def test_progress_is_told_as_it_goes() -> None:
    made = trainer(quick(epochs=5))
    assert (made.epoch, made.epochs, made.done, made.stopped_by) == (0, 5, False, None)
    seen = 0
    for block in made.blocks(seconds=0.0):
        assert block.first_epoch == seen + 1
        seen = block.last_epoch
        assert made.epoch == seen
    assert (made.epoch, made.done, made.stopped_by) == (5, True, None)
    assert made.seconds > 0.0
    assert made.executor_name in EXECUTORS.names()


def test_training_seconds_go_on_in_a_resumed_training() -> None:
    made = trainer(quick(epochs=4))
    blocks = made.blocks(seconds=0.0)
    next(blocks)
    next(blocks)
    resumed = trainer(quick(epochs=4), checkpoint=made.checkpoint())
    assert resumed.seconds == made.seconds
    run(resumed)
    assert resumed.seconds > made.seconds


class TestEarlyStopping:
    STILL = {"name": "sgd", "learning_rate": 1e-300}  # noqa: RUF012 - read only; a rate that moves nothing

    @each_executor
    @pytest.mark.parametrize("patience", [1, 4])
    def test_it_ends_exactly_when_patience_runs_out(self, executor: str, patience: int) -> None:
        document = quick(epochs=50, early_stopping={"patience": patience}) | {"optimizer": self.STILL}
        made = trainer(document, executor=executor)
        assert len(run(made)) == 1 + patience  # the first epoch is the best there is
        assert made.stopped_by == "early_stopping"
        assert made.done

    @each_executor
    def test_the_best_epochs_parameters_come_back(self, executor: str) -> None:
        optimizer = {"name": "adam", "learning_rate": 0.1}
        stopping = {"patience": 10, "restore_best": True}
        made = trainer(
            quick(epochs=80, early_stopping=stopping) | {"optimizer": optimizer}, executor=executor
        )
        losses = run(made).columns["val_loss"]
        best = int(losses.argmin()) + 1
        assert len(losses) == best + 10 < 80
        short = trainer(quick(epochs=best) | {"optimizer": optimizer}, executor=executor)
        run(short)
        outcome = made.result()
        assert outcome.model.sha256 == short.result().model.sha256
        validation = outcome.metrics["validation"]
        assert validation is not None
        assert validation["loss"] == pytest.approx(losses.min(), rel=1e-12)

    def test_without_restore_best_the_last_parameters_stay(self) -> None:
        optimizer = {"name": "adam", "learning_rate": 0.1}
        stopping = {"patience": 10, "restore_best": False}
        made = trainer(quick(epochs=80, early_stopping=stopping) | {"optimizer": optimizer})
        epochs = len(run(made))
        short = trainer(quick(epochs=epochs) | {"optimizer": optimizer})
        run(short)
        assert made.result().model.sha256 == short.result().model.sha256

    @pytest.mark.parametrize("metric", ["val_accuracy", "train_accuracy"])
    def test_an_accuracy_is_better_when_greater(self, metric: str) -> None:
        made = trainer(quick(epochs=60, early_stopping={"metric": metric, "patience": 12}))
        values = run(made).columns[metric]
        assert len(values) == min(int(values.argmax()) + 1 + 12, 60)


def test_seconds_are_of_training_and_not_of_what_is_kept_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def slowly(_recorder: Recorder, _state: object) -> None:
        now[0] += 100.0

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Recorder, "record", slowly)
    made = trainer(quick(epochs=5), budget=Budget())
    run(made)
    assert now[0] >= 500.0
    assert made.seconds == 0.0


class TestEnding:
    def test_the_deadline_ends_it_and_the_model_is_kept(self) -> None:
        made = trainer(quick(epochs=100_000, max_seconds=1e-6))
        history = run(made)
        assert made.stopped_by == "max_seconds"
        assert 1 <= len(history) == made.epoch < 100_000
        assert np.isfinite(made.result().model.parameters).all()
        assert trainer(quick(epochs=100_000, max_seconds=1e-6), checkpoint=made.checkpoint()).done

    def test_a_request_ends_it_after_the_block(self) -> None:
        made = trainer(quick(epochs=100_000))
        blocks = made.blocks(seconds=0.0)
        next(blocks)
        made.stop()
        assert list(blocks) == []
        assert (made.epoch, made.done, made.stopped_by) == (1, True, "request")
        short = trainer(quick(epochs=1))
        run(short)
        assert made.result().model.parameters.tobytes() == short.result().model.parameters.tobytes()

    def test_stopping_what_is_done_changes_nothing(self) -> None:
        made = trainer(quick(epochs=2))
        run(made)
        made.stop()
        assert made.stopped_by is None

    @each_executor
    def test_a_loss_that_is_no_number_ends_it_with_its_epoch(self, executor: str) -> None:
        document: dict[str, Any] = {
            "model": {"hidden_layers": []},
            "optimizer": {"name": "sgd", "learning_rate": 1000.0},
            "split": {"validation": 0},
            "training": {"epochs": 500, "batch_size": None},
        }
        made = trainer(document, mixed_table("regression"), executor=executor)
        blocks: list[HistoryBlock] = []
        with pytest.raises(Diverged) as refusal:
            blocks.extend(made.blocks(seconds=0.0))
        history = HistoryBlock.concatenate(blocks)
        assert len(history) == refusal.value.epoch - 1
        loss = history.columns["train_loss"]
        assert np.isfinite(loss).all()
        # each epoch multiplies the error by about the same factor: the next would pass 1e308
        assert loss[-1] > 1e290


class TestBadCheckpoints:
    SAVED = trainer(quick(epochs=3)).checkpoint()

    @pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
    def test_a_truncated_one_is_refused(self, length: int) -> None:
        with pytest.raises(BadModel):
            trainer(quick(epochs=3), checkpoint=self.SAVED[:length])

    def test_no_flipped_byte_trains_on(self) -> None:
        for place in range(0, len(self.SAVED), 11):
            damaged = bytearray(self.SAVED)
            damaged[place] ^= 0x10
            with pytest.raises(BadModel):
                trainer(quick(epochs=3), checkpoint=bytes(damaged))

    @pytest.mark.parametrize(
        "document",
        [quick(epochs=4), quick(epochs=3, seed=9), quick(epochs=3) | {"model": {"hidden_layers": [4]}}],
    )
    def test_one_of_another_training_is_refused(self, document: dict[str, Any]) -> None:
        with pytest.raises(BadModel) as refusal:
            trainer(document, checkpoint=self.SAVED)
        assert refusal.value.problems[0].code == "wrong_checkpoint"

    def test_one_of_other_data_is_refused(self) -> None:
        rows = BINARY.rows(0, BINARY.row_count)
        rows[3][0] += 1e-9
        with pytest.raises(BadModel, match="other data"):
            trainer(quick(epochs=3), table_from_rows(list(BINARY.names), rows), checkpoint=self.SAVED)

    def test_one_of_other_numerics_is_refused(self) -> None:
        others = [name for name in EXECUTORS.names() if name != trainer(quick(epochs=3)).executor_name]
        for executor in others:
            with pytest.raises(BadModel) as refusal:
                trainer(quick(epochs=3), checkpoint=self.SAVED, executor=executor)
            assert refusal.value.problems[0].code == "wrong_numerics"

    def test_a_model_is_no_checkpoint(self) -> None:
        made = trainer(quick(epochs=1))
        run(made)
        with pytest.raises(BadModel):
            trainer(quick(epochs=1), checkpoint=made.result().model.to_bytes())

    def test_an_unknown_executor_is_refused(self) -> None:
        with pytest.raises(UnknownName):
            trainer(quick(epochs=1), executor="abacus")
