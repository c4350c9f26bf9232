"""Objects: unknown members refused at every level, with the name probably meant; all problems at once."""

from typing import Any

import pytest

from engine.data.samples import make_sample
from engine.errors import BadSpec, Problem, escaped
from engine.spec import parse_spec
from engine.spec.objects import Choice, Family, Knob
from engine.spec.rules import Number, Report

MOONS = make_sample("moons", {"n_samples": 100}).profile()


def problems(document: dict[str, Any]) -> list[Problem]:
    with pytest.raises(BadSpec) as refusal:
        parse_spec(document, MOONS)
    return list(refusal.value.problems)


@pytest.mark.parametrize(
    ("member", "pointer", "meant"),
    [
        ({"optimiser": "adam"}, "/optimiser", "optimizer"),
        ({"preprocessing": {"scales": "none"}}, "/preprocessing/scales", "scale"),
        ({"split": {"validaton": 0.1}}, "/split/validaton", "validation"),
        ({"model": {"hiden_layers": []}}, "/model/hiden_layers", "hidden_layers"),
        (
            {"model": {"hidden_layers": [4, {"units": 3, "dropuot": 0.1}]}},
            "/model/hidden_layers/1/dropuot",
            "dropout",
        ),
        ({"model": {"init": {"scheme": "uniform", "hihg": 1}}}, "/model/init/hihg", "high"),
        ({"optimizer": {"learing_rate": 0.1}}, "/optimizer/learing_rate", "learning_rate"),
        ({"optimizer": {"name": "sgd", "momentun": 0.9}}, "/optimizer/momentun", "momentum"),
        ({"schedule": {"name": "linear", "end_facotr": 0.1}}, "/schedule/end_facotr", "end_factor"),
        ({"training": {"epoch": 3}}, "/training/epoch", "epochs"),
        ({"training": {"early_stopping": {"patiense": 3}}}, "/training/early_stopping/patiense", "patience"),
    ],
)
def test_a_misspelt_field_is_refused_anywhere(member: dict[str, Any], pointer: str, meant: str) -> None:
    (problem,) = problems({"target": "y"} | member)
    assert (problem.pointer, problem.code) == (pointer, "unknown_field")
    assert problem.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("member", "pointer", "meant"),
    [
        ({"task": "binery"}, "/task", "binary"),
        ({"loss": "hinje"}, "/loss", "hinge"),
        ({"optimizer": "adan"}, "/optimizer/name", "adam"),
        ({"optimizer": {"name": "sdg"}}, "/optimizer/name", "sgd"),
        ({"schedule": {"name": "cosin"}}, "/schedule/name", "cosine"),
        ({"model": {"init": {"scheme": "he_unifrom"}}}, "/model/init/scheme", "he_uniform"),
        (
            {"model": {"hidden_layers": [{"units": 3, "activation": "thanh"}]}},
            "/model/hidden_layers/0/activation",
            "tanh",
        ),
        ({"model": {"output_activation": "liner"}}, "/model/output_activation", "linear"),
        ({"preprocessing": {"scale": "standart"}}, "/preprocessing/scale", "standard"),
        ({"training": {"precision": "float46"}}, "/training/precision", "float64"),
    ],
)
def test_a_misspelt_name_suggests_the_one_meant(member: dict[str, Any], pointer: str, meant: str) -> None:
    (problem,) = problems({"target": "y"} | member)
    assert (problem.pointer, problem.code) == (pointer, "unknown_name")
    assert problem.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("member", "pointer"),
    [
        ({"optimizer": {"learning_rate": -1}}, "/optimizer/learning_rate"),
        ({"optimizer": {"learning_rate": 0}}, "/optimizer/learning_rate"),
        ({"optimizer": {"learning_rate": float("nan")}}, "/optimizer/learning_rate"),
        ({"optimizer": {"betas": [0.9]}}, "/optimizer/betas"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "/optimizer/betas/1"),
        ({"optimizer": {"name": "sgd", "momentum": 1}}, "/optimizer/momentum"),
        ({"optimizer": {"clip_norm": 0}}, "/optimizer/clip_norm"),
        ({"optimizer": 5}, "/optimizer"),
        ({"schedule": {"name": "exponential", "gamma": 0}}, "/schedule/gamma"),
        ({"schedule": {"name": "step", "every": 0}}, "/schedule/every"),
        ({"schedule": {"warmup_epochs": -1}}, "/schedule/warmup_epochs"),
        ({"training": {"epochs": 0}}, "/training/epochs"),
        ({"training": {"epochs": 1.5}}, "/training/epochs"),
        ({"training": {"epochs": 10**400}}, "/training/epochs"),
        ({"training": {"batch_size": 0}}, "/training/batch_size"),
        ({"training": {"seed": -1}}, "/training/seed"),
        ({"training": {"seed": 2**53}}, "/training/seed"),
        ({"training": {"max_seconds": 0}}, "/training/max_seconds"),
        ({"training": {"early_stopping": {"patience": 0}}}, "/training/early_stopping/patience"),
        ({"training": {"early_stopping": True}}, "/training/early_stopping"),
        ({"training": []}, "/training"),
        ({"split": {"validation": 0.95}}, "/split/validation"),
        ({"split": {"stratify": "yes"}}, "/split/stratify"),
        ({"model": {"hidden_layers": [0]}}, "/model/hidden_layers/0/units"),
        ({"model": {"hidden_layers": ["16"]}}, "/model/hidden_layers/0"),
        ({"model": {"hidden_layers": [True]}}, "/model/hidden_layers/0"),
        ({"model": {"hidden_layers": 16}}, "/model/hidden_layers"),
        ({"model": {"hidden_layers": [{"activation": "tanh"}]}}, "/model/hidden_layers/0"),
        ({"model": {"hidden_layers": [{"units": 4, "dropout": 0.99}]}}, "/model/hidden_layers/0/dropout"),
        ({"model": {"name": ""}}, "/model/name"),
        ({"class_weight": "balance"}, "/class_weight"),
        ({"loss": 5}, "/loss"),
        ({"loss": None}, "/loss"),
        ({"features": None}, "/features"),
    ],
)
def test_a_value_out_of_bounds_is_refused_at_its_pointer(member: dict[str, Any], pointer: str) -> None:
    assert [problem.pointer for problem in problems({"target": "y"} | member)] == [pointer]


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        {
            "target": "z",
            "task": "binery",
            "optimizer": {"learning_rate": -1, "momentum": 0.5},
            "training": {"epochs": 0, "sed": 3},
            "model": {"hidden_layers": [0, {"units": "x"}]},
            "loss": {"expression": "s +"},
            "extra/field": 1,
        }
    )
    assert {problem.pointer for problem in found} == {
        "/target",
        "/task",
        "/optimizer/learning_rate",
        "/optimizer/momentum",
        "/training/epochs",
        "/training/sed",
        "/model/hidden_layers/0/units",
        "/model/hidden_layers/1/units",
        "/loss/expression",
        "/extra~1field",
    }
    momentum = next(problem for problem in found if problem.pointer == "/optimizer/momentum")
    assert momentum.detail.startswith("optimizer adam has no such knob")


def test_an_unknown_members_knobs_are_checked_all_the_same() -> None:
    optimizer = {"name": "sdg", "learing_rate": 1, "momentum": 2, "alpha": 0.9}
    found = problems({"target": "y", "optimizer": optimizer})
    assert {(problem.pointer, problem.code) for problem in found} == {
        ("/optimizer/name", "unknown_name"),
        ("/optimizer/learing_rate", "unknown_field"),
        ("/optimizer/momentum", "out_of_range"),
    }


@pytest.mark.parametrize("document", [[], "y", None, 5])
def test_a_spec_is_an_object(document: Any) -> None:
    assert problems(document)[0].code == "wrong_type"


def test_a_families_first_member_is_meant_where_none_is_named() -> None:
    shapes = Family("shape", {"round": {"r": Knob(Number(0, 9), 1.0, "radius")}, "flat": {}})
    assert shapes.default() == Choice("round", {"r": 1.0})
    assert shapes.read("flat", "", Report()) == Choice("flat", {})
    assert shapes.read({"r": 2}, "", Report()) == Choice("round", {"r": 2.0})


def test_members_of_pointers_are_escaped() -> None:
    assert escaped("a/b~c") == "a~1b~0c"
