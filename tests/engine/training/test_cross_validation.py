"""Cross-validation: every row held back once, a final model on all, and exact wherever it is cut."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.data.fitting.splits import fold_rows
from engine.data.samples import make_sample
from engine.errors import BadModel, Diverged
from engine.models.evaluation import evaluate
from engine.spec import TrainingSpec, parse_spec
from engine.training.cross_validation import CrossValidation
from engine.training.records.history import HistoryBlock
from engine.training.trainer import Trainer

TABLE = make_sample("moons", {"n_samples": 60, "noise": 0.2})


def spec(**training: Any) -> TrainingSpec:
    document: dict[str, Any] = {
        "target": "y",
        "split": {"folds": 3},
        "model": {"hidden_layers": [4]},
        "training": {"epochs": 6, "early_stopping": None, **training},
    }
    return parse_spec(document, TABLE.profile())


def run(trainer: CrossValidation) -> HistoryBlock:
    return HistoryBlock.concatenate(list(trainer.blocks()))


def test_each_fold_is_trained_and_then_all_rows() -> None:
    trainer = CrossValidation(spec(), TABLE, executor="arrays")
    history = run(trainer)
    assert (trainer.epoch, trainer.epochs, len(history)) == (24, 24, 24)
    assert history.columns["fold"].tolist() == [1.0] * 6 + [2.0] * 6 + [3.0] * 6 + [0.0] * 6
    assert np.isnan(history.columns["val_loss"][18:]).all()
    assert np.isfinite(history.columns["val_loss"][:18]).all()
    assert np.isfinite(history.columns["train_loss"]).all()


def test_a_folds_metrics_are_those_of_a_model_that_never_saw_it() -> None:
    trainer = CrossValidation(spec(), TABLE, executor="arrays")
    run(trainer)
    metrics: dict[str, Any] = dict(trainer.result().metrics)
    classes = TABLE.column("y").values
    for number, fold in enumerate(metrics["folds"]):
        train, held_back = fold_rows(60, 3, number, 1337, classes)
        alone = replace(spec(), split=replace(spec().split, folds=None, validation=0.0))
        single = Trainer(alone, TABLE.take(train), executor="arrays")
        for _ in single.blocks():
            pass
        judged = evaluate(single.result().model, TABLE.take(held_back))["metrics"]
        assert fold["validation"]["loss"] == pytest.approx(judged["loss"], rel=1e-9)
        assert fold["validation"]["accuracy"] == judged["accuracy"]
    losses = [fold["validation"]["loss"] for fold in metrics["folds"]]
    assert metrics["validation"]["loss"] == pytest.approx(np.mean(losses))
    assert metrics["validation_std"]["loss"] == pytest.approx(np.std(losses))


def test_the_final_model_is_that_of_a_training_on_all_rows() -> None:
    trainer = CrossValidation(spec(), TABLE, executor="arrays")
    run(trainer)
    alone = Trainer(replace(spec(), split=replace(spec().split, folds=None)), TABLE, executor="arrays")
    for _ in alone.blocks():
        pass
    assert trainer.result().model.sha256 == alone.result().model.sha256
    assert trainer.result().model.spec == spec()


def test_early_stopping_gives_the_final_model_the_folds_best_epochs() -> None:
    stopping = {"metric": "val_loss", "patience": 2}
    trainer = CrossValidation(spec(epochs=200, early_stopping=stopping), TABLE, executor="arrays")
    history = run(trainer)
    metrics: dict[str, Any] = dict(trainer.result().metrics)
    best = [float(fold["best_epoch"]) for fold in metrics["folds"]]
    assert int((history.columns["fold"] == 0).sum()) == round(float(np.median(best)))


@pytest.mark.parametrize("cut", [1, 3, 8, 17, 20])
def test_a_resume_gives_the_bits_of_an_undisturbed_run(cut: int) -> None:
    whole = CrossValidation(spec(), TABLE, executor="arrays")
    history = run(whole)
    first = CrossValidation(spec(), TABLE, executor="arrays")
    done: list[HistoryBlock] = []
    for block in first.blocks(seconds=0.0):
        done.append(block)
        if first.epoch >= cut:
            break
    second = CrossValidation(spec(), TABLE, first.checkpoint(), executor="arrays")
    assert second.epoch == first.epoch
    both = HistoryBlock.concatenate([*done, *second.blocks()])
    assert both.to_bytes() == history.to_bytes()
    assert second.result().model.to_bytes() == whole.result().model.to_bytes()
    assert second.result().metrics == whole.result().metrics


def test_it_may_be_stopped_in_any_fold() -> None:
    trainer = CrossValidation(spec(), TABLE, executor="arrays")
    for _ in trainer.blocks(seconds=0.0):
        if trainer.epoch >= 8:
            trainer.stop()
    assert (trainer.done, trainer.stopped_by, trainer.epoch) == (True, "request", 8)
    metrics: dict[str, Any] = dict(trainer.result().metrics)
    assert len(metrics["folds"]) == 1


def test_a_fold_that_diverges_ends_all() -> None:
    document = {"target": "y", "split": {"folds": 2}, "loss": {"expression": "exp(exp(s*s*s) + 5)"}}
    wild = parse_spec(
        {**document, "optimizer": {"name": "sgd", "learning_rate": 1000}, "training": {"epochs": 50}},
        TABLE.profile(),
    )
    with pytest.raises(Diverged):
        run(CrossValidation(wild, TABLE, executor="arrays"))


def test_other_bytes_are_no_checkpoint() -> None:
    with pytest.raises(BadModel):
        CrossValidation(spec(), TABLE, b"nonsense-nonsense", executor="arrays")
