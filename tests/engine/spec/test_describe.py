"""The spec's JSON Schema and the list of options say what the parser does."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from engine.data.samples import make_sample
from engine.errors import BadSpec
from engine.nn.activations import ACTIVATIONS
from engine.nn.initializers import INITIALIZERS
from engine.nn.losses import LOSSES
from engine.nn.optimizers import OPTIMIZERS
from engine.nn.schedules import SCHEDULES
from engine.spec import TrainingSpec, describe_options, parse_spec, spec_schema
from engine.spec.families import INIT, OPTIMIZER, SCHEDULE
from tests.engine.spec.test_resolve import EXAMPLE

MOONS = make_sample("moons", {"n_samples": 100, "labels": [-1, 1]}).profile()
VALIDATOR = Draft202012Validator(spec_schema())

KNOBS: dict[str, st.SearchStrategy[Any]] = {
    "learning_rate": st.floats(1e-6, 10.0),
    "weight_decay": st.floats(0.0, 1.0),
    "clip_norm": st.none() | st.floats(0.1, 10.0),
    "betas": st.lists(st.floats(0.0, 0.99), min_size=2, max_size=2),
    "eps": st.floats(0.0, 1.0),
    "momentum": st.floats(0.0, 0.99),
    "nesterov": st.booleans(),
    "alpha": st.floats(0.0, 0.99),
    "initial_accumulator_value": st.floats(0.0, 2.0),
    "warmup_epochs": st.integers(0, 5),
    "end_factor": st.floats(0.0, 2.0),
    "gamma": st.floats(0.1, 1.0),
    "every": st.integers(1, 20),
    "low": st.floats(-2.0, -0.1),
    "high": st.floats(0.1, 2.0),
}


def members(family: Any) -> st.SearchStrategy[Any]:
    """An object of a family with any of its knobs, or a member's bare name."""

    def of(name: str) -> st.SearchStrategy[Any]:
        knobs = st.fixed_dictionaries({}, optional={knob: KNOBS[knob] for knob in family.members[name]})
        return st.just(name) | knobs.map(lambda given: {family.key: name, **given})

    return st.sampled_from(list(family.members)).flatmap(of)


LAYER = st.integers(1, 64) | st.fixed_dictionaries(
    {"units": st.integers(1, 64)},
    optional={"activation": st.sampled_from(ACTIVATIONS.names()), "dropout": st.floats(0.0, 0.9)},
)
STOPPING = st.fixed_dictionaries(
    {"metric": st.sampled_from(["train_loss", "train_accuracy"])},
    optional={"patience": st.integers(1, 9), "min_delta": st.floats(0.0, 1.0), "restore_best": st.booleans()},
)
DOCUMENTS = st.fixed_dictionaries(
    {"target": st.just("y")},
    optional={
        "features": st.sampled_from([["x1"], ["x2", "x1"]]),
        "task": st.just("binary"),
        "preprocessing": st.fixed_dictionaries(
            {},
            optional={
                "scale": st.sampled_from(["standard", "minmax", "robust", "none"]),
                "missing": st.sampled_from(["mean", "median", "most_frequent", "drop", "error"]),
                "unknown_category": st.sampled_from(["error", "ignore"]),
                "scale_target": st.booleans(),
            },
        ),
        "split": st.fixed_dictionaries(
            {}, optional={"validation": st.just(0) | st.floats(0.02, 0.9), "stratify": st.booleans()}
        ),
        "model": st.fixed_dictionaries(
            {},
            optional={
                "name": st.none() | st.just("net"),
                "hidden_layers": st.lists(LAYER, max_size=3),
                "output_activation": st.sampled_from(ACTIVATIONS.names()),
                "init": members(INIT),
            },
        ),
        "loss": st.sampled_from(["hinge", "mse", {"expression": "(s - y)**2"}]),
        "class_weight": st.sampled_from([None, "balanced", {"-1": 2}]),
        "optimizer": members(OPTIMIZER),
        "schedule": members(SCHEDULE),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 500),
                "batch_size": st.none() | st.integers(1, 500),
                "seed": st.integers(0, 2**53 - 1),
                "precision": st.sampled_from(["float64", "float32"]),
                "max_seconds": st.none() | st.floats(1.0, 3600.0),
                "early_stopping": st.none() | STOPPING,
            },
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_what_the_parser_takes_the_schema_takes_and_reads_back(
    document: dict[str, Any],
) -> None:
    spec = parse_spec(document, MOONS)
    written = spec.to_document()
    assert not list(VALIDATOR.iter_errors(document))
    assert not list(VALIDATOR.iter_errors(written))
    assert TrainingSpec.from_document(written) == spec
    assert parse_spec(written, MOONS) == spec


def test_the_contracts_example_satisfies_the_schema() -> None:
    Draft202012Validator.check_schema(spec_schema())
    assert not list(VALIDATOR.iter_errors(EXAMPLE))


@pytest.mark.parametrize(
    "member",
    [
        {"optimiser": "adam"},
        {"optimizer": {"name": "adam", "momentum": 0.9}},
        {"optimizer": {"learning_rate": 0}},
        {"optimizer": "adan"},
        {"training": {"epochs": 0}},
        {"training": {"epochs": "3"}},
        {"model": {"hidden_layers": [{"activation": "tanh"}]}},
        {"model": {"hidden_layers": [0]}},
        {"loss": "hinje"},
        {"split": {"validation": 1}},
        {"features": []},
    ],
)
def test_what_the_schema_refuses_the_parser_refuses(member: dict[str, Any]) -> None:
    document = {"target": "y"} | member
    assert list(VALIDATOR.iter_errors(document))
    with pytest.raises(BadSpec):
        parse_spec(document, MOONS)


def test_the_schema_asks_for_the_target_alone() -> None:
    assert spec_schema()["required"] == ["target"]
    assert not list(VALIDATOR.iter_errors({"target": "y"}))


def test_every_registered_name_is_an_option_and_the_other_way_round() -> None:
    options = describe_options()
    registries: dict[str, Any] = {
        "activations": ACTIVATIONS,
        "losses": LOSSES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "init_schemes": INITIALIZERS,
    }
    for kind, registry in registries.items():
        assert {option["name"] for option in options[kind]} == set(registry.names()), kind
        assert all(option["help"] for option in options[kind]), kind
    assert options["tasks"] == ["binary", "multiclass", "regression"]


def test_every_knob_has_its_path_and_its_help() -> None:
    knobs = {knob["path"]: knob for knob in describe_options()["knobs"]}
    assert knobs["training.seed"]["default"] == 1337
    assert knobs["training.seed"]["type"] == "integer"
    assert knobs["preprocessing.scale"]["enum"] == ["standard", "minmax", "robust", "none"]
    assert "model.hidden_layers[].dropout" in knobs
    assert all(knob["help"] for knob in knobs.values())


def test_the_defaults_described_are_the_defaults_taken() -> None:
    written = parse_spec({"target": "y"}, MOONS).to_document()
    for knob in describe_options()["knobs"]:
        section, _, name = knob["path"].rpartition(".")
        if "default" in knob and "[]" not in section and section in written:
            taken = written[section][name]
            assert knob["default"] in (taken, taken["scheme"] if name == "init" else taken), knob["path"]
    taken = parse_spec({"target": "y", "optimizer": "adagrad"}, MOONS).to_document()["optimizer"]
    (described,) = (o for o in describe_options()["optimizers"] if o["name"] == "adagrad")
    assert {k["path"]: k["default"] for k in described["knobs"]} == {
        k: v for k, v in taken.items() if k != "name"
    }
