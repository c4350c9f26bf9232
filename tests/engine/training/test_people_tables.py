"""Tables as people have them, trained by default beside scikit-learn behind a pipeline made by hand."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.data.reading.formats import table_from_records
from engine.data.table import Table
from engine.models.evaluation import evaluate
from engine.spec import parse_spec
from engine.training.trainer import Trainer

TABLES = {
    "titanic-like": ("survived", ["age", "fare"], ["sex", "class", "port"]),
    "adult-like": ("income", ["age", "years", "gain", "hours"], ["work", "marriage", "job", "country"]),
}


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


def earners(count: int, seed: int) -> Table:
    """Who earns much: a quarter do; words for nothing, many categories, some of them rare, a tail."""
    draw, rows = random.Random(seed), []
    jobs = [f"job {i}" for i in range(14)]
    countries = ["here", *(f"country {i}" for i in range(20))]
    for _ in range(count):
        age, years = min(90.0, 17 + draw.gammavariate(3, 7.5)), draw.choices(range(1, 17), range(1, 17))[0]
        married = draw.choices(["yes", "no", "divorced", "widowed"], [47, 33, 16, 4])[0]
        job, hours = draw.randrange(14), min(99, max(1, round(draw.gauss(40, 12))))
        gain = round(draw.lognormvariate(8, 1)) if draw.random() < 0.08 else 0
        odds = -7.6 + 0.36 * years + 2.2 * (married == "yes") + 0.12 * (job - 7) + 0.025 * (hours - 40)
        odds += 0.9 - 0.0018 * (age - 50) ** 2 + 2.5 * (gain > 5_000)
        rows.append(
            {
                "age": round(age),
                "years": years,
                "gain": gain,
                "hours": hours,
                "work": draw.choices(["private", "state", "own", None], [72, 13, 9, 6])[0],
                "marriage": married,
                "job": None if draw.random() < 0.06 else jobs[job],
                "country": draw.choices(countries, [90, *[0.5] * 20])[0],
                "income": ">50K" if draw.random() < 1 / (1 + 2.718 ** (-odds)) else "<=50K",
            }
        )
    return table_from_records(rows)


def columns(table: Table, names: list[str]) -> Any:
    cells = [table.column(name).cells() for name in names]
    return np.array([[np.nan if c is None else c for c in row] for row in zip(*cells, strict=True)], object)


def peer_accuracy(kind: str, train: Table, test: Table) -> float:
    """The mean accuracy of scikit-learn's MLP, early stopping on, over three seeds."""
    target, numbers, words = TABLES[kind]
    names, count = [*numbers, *words], len(numbers)
    fill_words = SimpleImputer(strategy="most_frequent")
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list(range(count))),
        (
            make_pipeline(fill_words, OneHotEncoder(handle_unknown="ignore")),
            list(range(count, len(names))),
        ),
    )
    found = []
    for seed in range(3):
        network = MLPClassifier((32, 16), early_stopping=True, max_iter=500, random_state=seed)
        pipeline = make_pipeline(prepare, network).fit(columns(train, names), train.column(target).cells())
        found.append(pipeline.score(columns(test, names), test.column(target).cells()))
    return float(np.mean(found))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("kind", "people", "rows"), [("titanic-like", passengers, 900), ("adult-like", earners, 3_000)]
)
def test_the_target_alone_is_within_a_point_of_a_pipeline_made_by_hand(
    kind: str, people: Callable[[int, int], Table], rows: int, seed: int
) -> None:
    train, test = people(rows, seed), people(2_000, seed + 100)
    trainer = Trainer(parse_spec({"target": TABLES[kind][0]}, train.profile()), train)
    for _ in trainer.blocks():
        pass
    mine = evaluate(trainer.result().model, test)["metrics"]["accuracy"]
    assert mine >= peer_accuracy(kind, train, test) - 0.01


def test_the_second_table_is_as_unbalanced_as_its_model() -> None:
    profile = earners(3_000, 1).profile()
    counts = dict(next(column for column in profile.columns if column.name == "income").categories)
    assert 0.15 < counts[">50K"] / 3_000 < 0.35
    country = next(column for column in profile.columns if column.name == "country")
    assert min(count for _, count in country.categories) < 30
