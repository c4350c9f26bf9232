"""Models: answers worked out by hand from their own parameters; bytes that nobody may alter."""

import math
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from engine.data.reading.formats import table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Table
from engine.errors import BadData, BadModel
from engine.models.model import TrainedModel
from engine.training.trainer import Trainer
from tests.engine.trainings import mixed_table, run, spec_for

TRAINING = {"epochs": 3, "early_stopping": None}
NO_SPLIT = {"validation": 0}


def trained(table: Table, **document: Any) -> TrainedModel:
    target = {"target": table.names[-1]}
    trainer = Trainer(
        spec_for(table, **({"training": TRAINING, "split": NO_SPLIT} | target | document)), table
    )
    run(trainer)
    return trainer.result().model


def by_hand(model: TrainedModel, inputs: list[float]) -> list[float]:
    """The scores of one encoded row from the document of layers, all of them tanh but the last."""
    *hidden, last = model.layers_document()
    for layer in hidden:
        inputs = [
            math.tanh(b + sum(w * x for w, x in zip(weights, inputs, strict=True)))
            for weights, b in zip(layer["weights"], layer["biases"], strict=True)
        ]
    return [
        b + sum(w * x for w, x in zip(weights, inputs, strict=True))
        for weights, b in zip(last["weights"], last["biases"], strict=True)
    ]


def standardised(table: Table, names: list[str], row: list[float]) -> list[float]:
    columns = [table.column(name).values for name in names]
    return [(x - float(np.mean(c))) / float(np.std(c)) for x, c in zip(row, columns, strict=True)]


TANH = {"model": {"hidden_layers": [{"units": 5, "activation": "tanh"}, {"units": 4, "activation": "tanh"}]}}
MOONS = make_sample("moons", {"n_samples": 60})
ROW = [0.5, -0.2]


def test_two_classes_have_one_score_and_its_sigmoid() -> None:
    model = trained(MOONS, **TANH)
    (answer,) = model.predict([ROW])
    (score,) = by_hand(model, standardised(MOONS, ["x1", "x2"], ROW))
    assert answer["scores"] == pytest.approx([score], rel=1e-12)
    second = 1.0 / (1.0 + math.exp(-score))
    assert list(answer["probabilities"]) == ["0", "1"]
    assert list(answer["probabilities"].values()) == pytest.approx([1.0 - second, second], rel=1e-12)
    assert answer["label"] == (1 if score > 0 else 0)
    assert type(answer["label"]) is int


def test_hinge_gives_scores_and_no_probabilities() -> None:
    model = trained(MOONS, loss="hinge", **TANH)
    answers = model.predict(MOONS.rows(0, 20) and [row[:2] for row in MOONS.rows(0, 20)])
    assert all(set(answer) == {"label", "scores"} for answer in answers)
    assert [answer["label"] for answer in answers] == [int(a["scores"][0] > 0) for a in answers]
    assert {answer["label"] for answer in answers} == {0, 1}


def test_several_classes_have_softmax_probabilities_in_class_order() -> None:
    iris = make_sample("iris", {})
    model = trained(iris, **TANH)
    row = [5.1, 3.5, 1.4, 0.2]
    (answer,) = model.predict([row])
    scores = by_hand(model, standardised(iris, list(iris.names[:-1]), row))
    assert answer["scores"] == pytest.approx(scores, rel=1e-11)
    powers = [math.exp(s - max(scores)) for s in scores]
    assert list(answer["probabilities"]) == ["setosa", "versicolor", "virginica"]
    assert list(answer["probabilities"].values()) == pytest.approx(
        [p / sum(powers) for p in powers], rel=1e-11
    )
    assert answer["label"] == model.classes[scores.index(max(scores))] if model.classes else None


def test_a_regression_answers_in_the_targets_own_unit() -> None:
    table = make_sample("diabetes", {})
    model = trained(table, **TANH)
    row = table.rows(0, 1)[0][:-1]
    y = table.column("target").values
    (score,) = by_hand(model, standardised(table, list(table.names[:-1]), row))
    assert model.predict([row]) == [{"value": pytest.approx(score * y.std() + y.mean(), rel=1e-11)}]
    assert model.classes is None


@pytest.mark.parametrize(
    ("labels", "kind"), [([-1, 1], int), (["no", "yes"], str), ([False, True], bool), ([0.5, 2.5], float)]
)
def test_labels_keep_their_json_type(labels: list[Any], kind: type) -> None:
    model = trained(make_sample("moons", {"labels": labels}), task="binary")
    answers = model.predict([[-1.0, 0.5], [2.0, -0.5]])
    assert model.classes == tuple(labels)
    assert {type(answer["label"]) for answer in answers} == {kind}
    names = [str(label).lower() if kind is bool else str(label) for label in labels]
    assert list(answers[0]["probabilities"]) == names


def test_extreme_scores_have_finite_probabilities() -> None:
    model = trained(MOONS)
    probabilities = model.probabilities(np.array([[1000.0], [-1000.0], [0.0]]))
    assert probabilities is not None
    assert probabilities.tolist() == [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]


def test_objects_and_arrays_get_the_same_answer() -> None:
    model = trained(mixed_table("multiclass"))
    rows: list[list[Any]] = [[0.1, 0.2, "a", True], [0.1, None, "c", False]]
    objects = [dict(zip(["a", "b", "c", "flag"], row, strict=True)) for row in rows]
    assert model.predict(rows) == model.predict(objects) == model.predict([rows[0], objects[1]])
    assert model.predict([]) == []


def test_a_missing_number_is_the_training_mean() -> None:
    table = mixed_table("binary")
    model = trained(table)
    mean = float(np.nanmean(table.column("b").values))
    one, other = model.predict([[0.3, None, "a", True], [0.3, mean, "a", True]])
    assert one["label"] == other["label"]


def test_an_ignored_category_is_none_of_the_known() -> None:
    model = trained(mixed_table("binary"), preprocessing={"unknown_category": "ignore"})
    assert model.predict([[0.3, 0.1, "zebra", True]])[0]["label"] in ("no", "yes")
    with pytest.raises(BadData, match="zebra"):
        trained(mixed_table("binary")).predict([[0.3, 0.1, "zebra", True]])


def test_the_digest_is_over_little_endian_parameters_layer_by_layer() -> None:
    model = trained(MOONS, **TANH)
    numbers: list[float] = []
    for layer in model.layers_document():
        numbers += [w for row in layer["weights"] for w in row] + layer["biases"]
    assert model.sha256 == sha256(np.array(numbers, dtype="<f8").tobytes()).hexdigest()
    assert model.parameter_count == len(numbers) == (2 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 1
    assert [layer["activation"] for layer in model.layers_document()] == ["tanh", "tanh", "linear"]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_model_comes_back_from_its_bytes(kind: str) -> None:
    model = trained(mixed_table(kind))
    back = TrainedModel.from_bytes(model.to_bytes())
    row = [0.3, None, "b", False]
    assert back.predict([row]) == model.predict([row])
    assert (back.spec, back.inputs, back.classes, back.sha256) == (
        *(model.spec, model.inputs),
        *(model.classes, model.sha256),
    )
    assert back.to_bytes() == model.to_bytes()


def test_truncated_and_foreign_bytes_are_no_model() -> None:
    data = trained(MOONS).to_bytes()
    for bad in (b"", b"PK\x03\x04", data[:100], data[:-8], data + b"\0", b"\xff" * 100):
        with pytest.raises(BadModel, match="not a model"):
            TrainedModel.from_bytes(bad)


def test_no_altered_parameter_passes() -> None:
    data = trained(MOONS).to_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for place in range(start, len(data), 97):
        with pytest.raises(BadModel):
            TrainedModel.from_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])


def test_texts_of_a_query_become_an_instance() -> None:
    table = table_from_rows(["n", "c", "f", "y"], [[1.5, "a", True, 0], [2.5, "b", False, 1]] * 6)
    model = trained(table)
    instance = model.instance_from_text({"n": "-2e-1", "c": "b", "f": "false"})
    assert instance == {"n": -0.2, "c": "b", "f": False}
    assert model.predict([instance]) == model.predict([[-0.2, "b", False]])
