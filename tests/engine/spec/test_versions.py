"""Specs of other versions: read as they were meant, or refused by name."""

import copy
from typing import Any

import pytest

from engine.data.samples import make_sample
from engine.errors import BadSpec
from engine.spec import TrainingSpec, parse_spec, versions
from engine.training.trainer import Trainer
from tests.engine.spec.test_resolve import EXAMPLE, MOONS

# What version 0.1 wrote. Should a test fail because the spec has a new member: say in `versions.ADDED` what
# there was before it, and leave this document as it is.
WRITTEN_BY_0_1: dict[str, Any] = {
    "class_weight": None,
    "features": ["x1", "x2"],
    "init_from": None,
    "loss": "binary_cross_entropy",
    "model": {
        "hidden_layers": [
            {"activation": "silu", "dropout": 0.0, "units": 32},
            {"activation": "silu", "dropout": 0.0, "units": 16},
        ],
        "init": {"scheme": "glorot_uniform"},
        "name": None,
        "output_activation": "linear",
    },
    "optimizer": {
        "betas": [0.9, 0.999],
        "clip_norm": None,
        "eps": 1e-08,
        "learning_rate": 0.01,
        "name": "adam",
        "weight_decay": 0.0,
    },
    "preprocessing": {
        "min_category_rows": 1,
        "missing": "mean",
        "missing_indicator": False,
        "scale": "standard",
        "scale_target": True,
        "unknown_category": "error",
    },
    "schedule": {"name": "constant", "warmup_epochs": 0},
    "split": {"column": None, "dataset_id": None, "folds": None, "stratify": True, "validation": 0.2},
    "target": "y",
    "task": "binary",
    "training": {
        "batch_size": 32,
        "early_stopping": {"metric": "val_loss", "min_delta": 0.0, "patience": 200, "restore_best": True},
        "epochs": 1000,
        "max_seconds": None,
        "precision": "float64",
        "seed": 1337,
    },
    "weight_column": None,
}


def _pointers(document: Any, pointer: str = "") -> list[str]:
    items = list(document.items()) if isinstance(document, dict) else []
    items += list(enumerate(document)) if isinstance(document, list) else []
    below = [each for name, value in items for each in _pointers(value, f"{pointer}/{name}")]
    return [f"{pointer}/{name}" for name, _ in items if isinstance(document, dict)] + below


def _without(document: dict[str, Any], pointer: str) -> dict[str, Any]:
    brief = copy.deepcopy(document)
    *path, name = pointer.strip("/").split("/")
    here: Any = brief
    for step in path:
        here = here[int(step)] if isinstance(here, list) else here[step]
    del here[name]
    return brief


def test_a_spec_of_the_first_version_is_read_as_it_was_meant() -> None:
    spec = TrainingSpec.from_document(WRITTEN_BY_0_1)
    assert versions.essential(spec.to_document()) == WRITTEN_BY_0_1


@pytest.mark.parametrize("pointer", _pointers(WRITTEN_BY_0_1))
def test_no_gap_is_filled_with_todays_default(pointer: str) -> None:
    with pytest.raises(BadSpec) as refusal:
        TrainingSpec.from_document(_without(WRITTEN_BY_0_1, pointer))
    assert any(pointer.startswith(problem.pointer) for problem in refusal.value.problems)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> str:
    """A member of today's spec, as if it had joined later, and had been false before."""
    pointer = "/preprocessing/scale_target"
    monkeypatch.setitem(versions.ADDED, pointer, value=False)
    return pointer


def test_a_member_that_came_later_means_what_its_absence_meant(added: str) -> None:
    whole = parse_spec(EXAMPLE, MOONS).to_document()
    assert whole["preprocessing"]["scale_target"] is True, "today's default is another"
    old = _without(whole, added)
    spec = TrainingSpec.from_document(old)
    assert spec.preprocessing.scale_target is False
    assert versions.essential(spec.to_document()) == old
    assert "scale_target" not in old["preprocessing"]


def test_a_checkpoint_is_known_again_after_a_member_came(monkeypatch: pytest.MonkeyPatch) -> None:
    table, pointer = make_sample("moons", {"n_samples": 20}), "/preprocessing/unknown_category"
    spec = parse_spec({"target": "y", "split": {"validation": 0}}, table.profile())
    meant = spec.to_document()["preprocessing"]["unknown_category"]
    monkeypatch.setitem(versions.ADDED, pointer, meant)  # the digest is now that of a time without it
    training = Trainer(spec, table, executor="arrays")
    next(training.blocks(0))
    old = TrainingSpec.from_document(_without(spec.to_document(), pointer))
    assert Trainer(old, table, training.checkpoint(), executor="arrays").epoch == 1
