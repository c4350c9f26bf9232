"""Tables as people have them, trained by default beside scikit-learn behind a pipeline made by hand."""

import random
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.data.formats import table_from_records
from engine.data.table import Table
from engine.spec import parse_spec
from engine.training.evaluation import evaluate
from engine.training.trainer import Trainer

NUMBERS, WORDS = ["age", "fare"], ["sex", "class", "port"]


def passengers(count: int, seed: int) -> Table:
    """Who survived: mixed types, a fifth of the ages unknown, a rare port, two classes of unequal size."""
    draw, rows = random.Random(seed), []
    for _ in range(count):
        sex = draw.choices(["male", "female"], [65, 35])[0]
        level = draw.choices(["first", "second", "third"], [24, 21, 55])[0]
        age = max(0.4, draw.gauss(30, 14))
        fare = {"first": 80, "second": 20, "third": 10}[level] * draw.lognormvariate(0, 0.4)
        port = draw.choices(["S", "C", "Q", "B"], [71, 19, 9, 1])[0]
        odds = -1.6 + 2.8 * (sex == "female") + 1.2 * (level == "first") - 0.9 * (level == "third")
        odds += 1.4 * (age < 12) - 0.012 * age
        rows.append(
            {
                "age": None if draw.random() < 0.2 else round(age, 1),
                "fare": round(fare, 2),
                "sex": sex,
                "class": level,
                "port": None if draw.random() < 0.01 else port,
                "survived": "yes" if draw.random() < 1 / (1 + 2.718 ** (-odds)) else "no",
            }
        )
    return table_from_records(rows)


def columns(table: Table, names: list[str]) -> Any:
    cells = [table.column(name).cells() for name in names]
    return np.array([[np.nan if c is None else c for c in row] for row in zip(*cells, strict=True)], object)


def peer_accuracy(train: Table, test: Table) -> float:
    """The mean accuracy of scikit-learn's MLP, early stopping on, over three seeds."""
    names = [*NUMBERS, *WORDS]
    fill_words = SimpleImputer(strategy="most_frequent")
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]),
        (make_pipeline(fill_words, OneHotEncoder(handle_unknown="ignore")), [2, 3, 4]),
    )
    found = []
    for seed in range(3):
        network = MLPClassifier((32, 16), early_stopping=True, max_iter=500, random_state=seed)
        pipeline = make_pipeline(prepare, network).fit(
            columns(train, names), train.column("survived").cells()
        )
        found.append(pipeline.score(columns(test, names), test.column("survived").cells()))
    return float(np.mean(found))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_target_alone_is_within_a_point_of_a_pipeline_made_by_hand(seed: int) -> None:
    train, test = passengers(900, seed), passengers(2_000, seed + 100)
    trainer = Trainer(parse_spec({"target": "survived"}, train.profile()), train)
    for _ in trainer.blocks():
        pass
    mine = evaluate(trainer.result().model, test)["metrics"]["accuracy"]
    assert mine >= peer_accuracy(train, test) - 0.01
