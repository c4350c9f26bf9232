"""Specs meet tables: defaults decided, tasks inferred, what cannot work refused by its pointer."""

from typing import Any

import pytest

from engine.data.profile import Profile
from engine.data.reading.formats import table_from_rows
from engine.data.samples import make_sample
from engine.errors import BadSpec, Problem
from engine.spec import Limits, parse_spec

MOONS = make_sample("moons", {"n_samples": 100, "labels": [-1, 1]}).profile()
EXAMPLE: dict[str, Any] = {
    "target": "y",
    "features": ["x1", "x2"],
    "task": "binary",
    "preprocessing": {
        "scale": "standard",
        "missing": "mean",
        "unknown_category": "error",
        "scale_target": True,
    },
    "split": {"validation": 0.2, "stratify": True},
    "model": {
        "name": "moons",
        "hidden_layers": [{"units": 16, "activation": "tanh"}, 16],
        "output_activation": "linear",
        "init": {"scheme": "uniform", "low": -1.0, "high": 1.0},
    },
    "loss": "hinge",
    "class_weight": "balanced",
    "optimizer": {
        "name": "sgd",
        "learning_rate": 1.0,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "clip_norm": None,
    },
    "schedule": {"name": "linear", "end_factor": 0.1},
    "training": {
        "epochs": 21,
        "batch_size": None,
        "seed": 1337,
        "precision": "float64",
        "max_seconds": 60,
        "early_stopping": {"metric": "val_loss", "patience": 20, "min_delta": 0.0, "restore_best": True},
    },
}


def table(*cells: list[Any], names: str = "xy") -> Profile:
    return table_from_rows(list(names), list(cells)).profile()


def of_targets(*targets: Any) -> Profile:
    return table(*([float(i), y] for i, y in enumerate(targets)))


def problems(document: dict[str, Any], profile: Profile = MOONS, **limits: Any) -> list[Problem]:
    with pytest.raises(BadSpec) as refusal:
        parse_spec(document, profile, Limits(**limits))
    return list(refusal.value.problems)


def test_the_contracts_example_is_read_in_full() -> None:
    written = parse_spec(EXAMPLE, MOONS).to_document()
    assert written["model"]["hidden_layers"][1] == {"units": 16, "activation": "silu", "dropout": 0.0}
    assert written["model"]["hidden_layers"][0] == {"units": 16, "activation": "tanh", "dropout": 0.0}
    assert written["schedule"] == {"name": "linear", "end_factor": 0.1, "warmup_epochs": 0}
    for name in set(EXAMPLE) - {"model", "schedule", "preprocessing", "split"}:
        assert written[name] == EXAMPLE[name], name
    for name in ("preprocessing", "split"):
        assert written[name].items() >= EXAMPLE[name].items(), name


def test_the_defaults_are_the_contracts_and_not_the_examples() -> None:
    spec = parse_spec({"target": "y"}, MOONS)
    written = spec.to_document()
    assert written["features"] == ["x1", "x2"]
    assert written["class_weight"] is None
    assert written["optimizer"]["weight_decay"] == 0.0
    assert written["optimizer"]["clip_norm"] is None
    assert {layer["dropout"] for layer in written["model"]["hidden_layers"]} == {0.0}
    assert written["schedule"] == {"name": "constant", "warmup_epochs": 0}
    others = {"column": None, "dataset_id": None, "folds": None}
    assert written["split"] == {"validation": 0.2, "stratify": True, **others}
    training = written["training"]
    assert (training["precision"], training["seed"], training["max_seconds"]) == ("float64", 1337, None)
    assert training["early_stopping"]["metric"] == "val_loss"
    assert (
        parse_spec({"target": "y", "optimizer": {"name": "adamw"}}, MOONS).optimizer["weight_decay"] == 0.01
    )


def test_without_validation_rows_there_is_no_early_stopping() -> None:
    assert parse_spec({"target": "y", "split": {"validation": 0}}, MOONS).training.early_stopping is None
    assert parse_spec({"target": "y"}, of_targets(1, 0, 1)).split.validation == 0.0


def test_null_turns_things_off() -> None:
    off = {"early_stopping": None, "max_seconds": None, "batch_size": None}
    training = parse_spec({"target": "y", "training": off}, MOONS).training
    assert (training.early_stopping, training.max_seconds, training.batch_size) == (None, None, None)


@pytest.mark.parametrize(
    ("targets", "task", "outputs"),
    [
        ([0, 1, 0, 1], "binary", 1),
        (["a", "b", "a"], "binary", 1),
        ([True, False, True], "binary", 1),
        (["a", "b", "c", "a"], "multiclass", 3),
        ([1, 2, 3, 1], "multiclass", 3),
        (list(range(20)), "multiclass", 20),
        (list(range(21)), "regression", 1),
        ([0.5, 1.5, 0.5], "regression", 1),
    ],
)
def test_the_target_suggests_the_task(targets: list[Any], task: str, outputs: int) -> None:
    profile = of_targets(*targets)
    spec = parse_spec({"target": "y"}, profile)
    assert spec.task == task
    assert spec.layer_sizes(profile)[-1] == outputs


def test_a_number_of_few_values_may_be_a_regression_and_one_of_many_a_class() -> None:
    assert parse_spec({"target": "y", "task": "regression"}, of_targets(0, 1, 2)).task == "regression"
    assert parse_spec({"target": "y", "task": "multiclass"}, of_targets(*range(30))).task == "multiclass"
    assert parse_spec({"target": "y", "task": "multiclass"}, MOONS).layer_sizes(MOONS)[-1] == 2


@pytest.mark.parametrize(
    ("task", "targets", "pointer", "code"),
    [
        ("regression", ["a", "b"], "/task", "wrong_target"),
        ("binary", [1, 2, 3], "/task", "wrong_target"),
        (None, ["a", "a", "a"], "/target", "one_class"),
        ("binary", [1, 1], "/target", "one_class"),
        ("multiclass", [1, 1], "/target", "one_class"),
        (None, [1, None, 0], "/target", "missing_values"),
    ],
)
def test_a_task_that_the_target_forbids_is_refused(
    task: str | None, targets: list[Any], pointer: str, code: str
) -> None:
    document = {"target": "y"} | ({"task": task} if task else {})
    assert (pointer, code) in [(p.pointer, p.code) for p in problems(document, of_targets(*targets))]


def test_features_leave_out_the_target_empty_columns_and_names_of_rows() -> None:
    profile = table([1, None, "ann", "u", 7, 0], [2, None, "bob", "u", 7, 1], names="xeicky")
    assert parse_spec({"target": "y"}, profile).features == ("x", "c", "k")
    assert parse_spec({"target": "y", "features": ["i"]}, profile).features == ("i",)
    assert problems({"target": "y", "features": ["e"]}, profile)[0].code == "missing_values"
    assert problems({"target": "y"}, table(["ann", 0], ["bob", 1]))[0].code == "no_features"


@pytest.mark.parametrize(
    ("features", "pointer", "code", "hint"),
    [
        (["x1", "xx2"], "/features/1", "unknown_column", 'did you mean "x2"?'),
        (["x1", "y"], "/features/1", "target_as_feature", ""),
        (["x1", "x1"], "/features/1", "duplicate_name", ""),
        ([], "/features", "out_of_range", ""),
        ("x1", "/features", "wrong_type", ""),
        ([1], "/features/0", "wrong_type", ""),
    ],
)
def test_wrong_features_are_refused(features: Any, pointer: str, code: str, hint: str) -> None:
    problem = problems({"target": "y", "features": features})[0]
    assert (problem.pointer, problem.code, problem.hint) == (pointer, code, hint)


def test_the_target_must_be_named_and_known() -> None:
    (problem,) = problems({})
    assert (problem.pointer, problem.code) == ("/target", "missing_field")
    assert "x1, x2, y" in problem.hint
    problem = problems({"target": "Y1"})[0]
    assert (problem.pointer, problem.code) == ("/target", "unknown_column")


@pytest.mark.parametrize(
    ("loss", "task", "fits"),
    [
        ("hinge", "binary", True),
        ("hinge", "multiclass", True),
        ("hinge", "regression", False),
        ("squared_hinge", "regression", False),
        ("binary_cross_entropy", "binary", True),
        ("binary_cross_entropy", "multiclass", False),
        ("cross_entropy", "multiclass", True),
        ("cross_entropy", "regression", False),
        ("mse", "binary", True),
        ("mse", "regression", True),
        ("huber", "multiclass", True),
    ],
)
def test_a_loss_must_fit_the_task(loss: str, task: str, fits: bool) -> None:
    document = {"target": "y", "loss": loss, "task": task}
    if fits:
        assert parse_spec(document, MOONS).loss.name == loss
    else:
        (problem,) = problems(document)
        assert (problem.pointer, problem.code) == ("/loss", "wrong_task")


def test_an_expression_is_checked_where_it_stands() -> None:
    spec = parse_spec({"target": "y", "loss": {"expression": "relu(1 - y*s)"}}, MOONS)
    assert spec.to_document()["loss"] == {"expression": "relu(1 - y*s)"}
    (problem,) = problems({"target": "y", "loss": {"expression": "relu(1 - q*s)"}})
    assert (problem.pointer, problem.code) == ("/loss/expression", "bad_expression")
    assert "at character 10" in problem.detail
    assert problems({"target": "y", "loss": {"expression": "y"}})[0].code == "bad_expression"
    assert problems({"target": "y", "loss": {"expresion": "s"}})[0].pointer == "/loss"


def test_class_weights_name_classes() -> None:
    spec = parse_spec({"target": "y", "class_weight": {"-1": 2, "1": 0.5}}, MOONS)
    assert spec.class_weight == {"-1": 2.0, "1": 0.5}
    (problem,) = problems({"target": "y", "class_weight": {"0": 2}})
    assert (problem.pointer, problem.code) == ("/class_weight/0", "unknown_name")
    assert "-1, 1" in problem.detail
    assert problems({"target": "y", "class_weight": {"1": -1}})[0].pointer == "/class_weight/1"
    regression = {"target": "y", "task": "regression", "class_weight": "balanced"}
    assert [(p.pointer, p.code) for p in problems(regression)] == [("/class_weight", "wrong_task")]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"model": {"hidden_layers": [11]}}, "/model/hidden_layers/0"),
        ({"model": {"hidden_layers": [4, 4, 4]}}, "/model/hidden_layers"),
        ({"model": {"hidden_layers": [10, 10]}}, "/model/hidden_layers"),
        ({"training": {"epochs": 51}}, "/training/epochs"),
        ({"training": {"max_seconds": 61}}, "/training/max_seconds"),
    ],
)
def test_the_operators_limits_hold(change: dict[str, Any], pointer: str) -> None:
    limits: dict[str, Any] = {
        "max_units": 10,
        "max_layers": 2,
        "max_parameters": 100,
        "max_epochs": 50,
        "max_seconds": 60,
    }
    small = {"target": "y", "model": {"hidden_layers": [4, 4]}, "training": {"epochs": 50, "max_seconds": 60}}
    parse_spec(small, MOONS, Limits(**limits))
    assert [p.pointer for p in problems(small | change, MOONS, **limits)] == [pointer]


def test_a_million_hidden_units_are_refused_before_anything_is_made() -> None:
    (problem,) = problems({"target": "y", "model": {"hidden_layers": [1_000_000]}})
    assert problem.detail == "units must lie between 1 and 4096, got 1000000"
    assert problems({"target": "y", "model": {"hidden_layers": [4096] * 3}})[0].code == "too_large"


def test_too_many_classes_are_refused() -> None:
    (problem,) = problems({"target": "y", "task": "multiclass"}, of_targets(*range(40)), max_classes=39)
    assert (problem.pointer, problem.code) == ("/task", "out_of_range")


@pytest.mark.parametrize(
    ("metric", "validation", "code"),
    [
        ("val_loss", 0, "out_of_range"),
        ("val_accuracy", 0, "out_of_range"),
        ("val_r2", 0.2, "wrong_task"),
        ("train_r2", 0, "wrong_task"),
    ],
)
def test_early_stopping_watches_what_there_is(metric: str, validation: float, code: str) -> None:
    training = {"early_stopping": {"metric": metric}}
    found = problems({"target": "y", "split": {"validation": validation}, "training": training})
    assert ("/training/early_stopping/metric", code) in [(p.pointer, p.code) for p in found]


def test_a_split_leaves_a_row_on_either_side() -> None:
    (problem,) = problems({"target": "y", "split": {"validation": 0.1}}, of_targets(0, 1, 0))
    assert problem.detail == "validation 0.1 of 3 rows would hold back 0"


def test_missing_cells_may_be_made_errors() -> None:
    document = {"target": "y", "preprocessing": {"missing": "error"}}
    assert problems(document, table([None, 0], [1, 1]))[0].pointer == "/preprocessing/missing"
    parse_spec(document, of_targets(0, 1))


def test_low_must_not_exceed_high() -> None:
    model = {"init": {"scheme": "uniform", "low": 1, "high": -1}}
    assert problems({"target": "y", "model": model})[0].pointer == "/model/init"
