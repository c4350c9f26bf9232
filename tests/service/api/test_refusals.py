"""What it costs to refuse a body: no more than in proportion to it, whatever it is full of.

Counted are calls of functions, which are the same on every machine, and letters that are compared to find
out what was meant.
"""

import difflib
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine import registry
from engine.errors import MOST_PROBLEMS
from engine.spec.rules import MOST_HINTED
from tests.service.api.answers import problem_of

FEW, MANY = 500, 5_000
CALLS_OF_A_SMALL_BODY = 20_000
Body = Callable[[int], Any]


def unknown(count: int) -> dict[str, int]:
    """Members that nobody knows."""
    return {f"u{i:06}": 1 for i in range(count)}


def sections(name: str) -> Body:
    """A job whose section holds unknown members."""
    return lambda count: {"target": "y", name: unknown(count)}


SPECS: dict[str, Body] = {
    name: sections(name)
    for name in (
        "preprocessing",
        "split",
        "model",
        "optimizer",
        "schedule",
        "training",
        "class_weight",
        "webhook",
        "loss",
    )
} | {
    "optimizer of no name": lambda count: {"target": "y", "optimizer": {"name": "x", **unknown(count)}},
    "init": lambda count: {"target": "y", "model": {"init": unknown(count)}},
    "layers": lambda count: {
        "target": "y",
        "model": {"hidden_layers": [{"units": 1, "act": 1}] * (count // 5)},
    },
    "features": lambda count: {"target": "y", "features": [f"x{i}" for i in range(count)]},
    "one feature": lambda count: {"target": "y", "features": ["x1"] * count},
    "long names": lambda count: {"target": "y", "model": {"u" * count * 10: 1}},
}
PREDICTIONS = "/api/v1/models/moons/predictions"
DOORS: dict[str, tuple[str, Body]] = {
    "a row of unknown inputs": (PREDICTIONS, lambda count: {"instances": [unknown(count)]}),
    "rows of an unknown input": (PREDICTIONS, lambda count: {"instances": [{"q": 1}] * count}),
    "unknown columns": (PREDICTIONS, lambda count: {"columns": unknown(count)}),
    "gradients": ("/api/v1/models/moons/gradients", lambda count: {"instances": [unknown(count)]}),
    "KServe": ("/v1/models/moons:predict", lambda count: {"instances": [unknown(count)]}),
    "tensors": (
        "/v2/models/moons/infer",
        lambda count: {
            "inputs": [{"name": f"i{i}", "datatype": "FP64", "shape": [1], "data": [1]} for i in range(count)]
        },
    ),
    "records": ("/api/v1/datasets", lambda count: {"records": [{"a": 1}, unknown(count)]}),
    "options": ("/api/v1/datasets", lambda count: {"sample": "moons", "options": unknown(count)}),
    "types": (
        "/api/v1/datasets",
        lambda count: {"columns": ["a"], "rows": [[1]], "types": unknown(count)},
    ),
    "columns": (
        "/api/v1/datasets",
        lambda count: {"columns": ["a"] * (count // 5), "rows": [[1] * (count // 5)]},
    ),
    "ragged rows": ("/api/v1/datasets", lambda count: {"columns": ["a", "b"], "rows": [[1]] * count}),
}


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many letters of words were compared with letters of names."""
    counted: Counter[str] = Counter()
    really = difflib.get_close_matches

    def counting(word: str, names: Iterable[str], **options: Any) -> Any:
        known = list(names)
        counted["compared"] += len(word) * sum(map(len, known))
        return really(word, known, **options)

    monkeypatch.setattr(registry, "get_close_matches", counting)
    return counted


def calls_of(ask: Callable[[], TestResponse]) -> tuple[int, TestResponse]:
    """How many functions a request calls, Python's own included, and its answer."""
    calls = 0

    def count(_frame: object, event: str, _what: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        answer = ask()
    finally:
        sys.setprofile(None)
    return calls, answer


def check(client: FlaskClient, url: str, body: Body, letters: Counter[str]) -> None:
    """Asks with a few mistakes and with ten times as many."""
    found = []
    for count in (FEW, MANY):
        data = orjson.dumps(body(count))
        letters.clear()
        calls, answer = calls_of(partial(client.post, url, data=data, content_type="application/json"))
        assert answer.status_code in {413, 422}, answer.text[:300]
        assert len(answer.get_json(force=True).get("errors", ())) <= MOST_PROBLEMS
        assert len(answer.data) < 20_000 + 2 * len(data)  # a pointer tells a long name whole
        assert letters["compared"] <= (MOST_HINTED + 1) * registry.MOST_COMPARED
        found.append(calls)
    assert found[1] < CALLS_OF_A_SMALL_BODY + 12 * found[0], found


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_of_mistakes_costs_no_more_than_in_proportion(
    client: FlaskClient, dataset: str, letters: Counter[str], name: str
) -> None:
    def body(count: int) -> Any:
        return {"dataset_id": dataset, **SPECS[name](count)}

    check(client, "/api/v1/jobs:validate", body, letters)


@pytest.mark.parametrize("name", DOORS)
def test_a_body_of_mistakes_costs_no_more_than_in_proportion(
    client: FlaskClient, trained: dict[str, Any], letters: Counter[str], name: str
) -> None:
    assert trained["done"]
    url, body = DOORS[name]
    check(client, url, body, letters)


@pytest.mark.parametrize("member", ["&u{}=1", "&limit={}"])
def test_a_query_of_mistakes_costs_no_more_than_in_proportion(client: FlaskClient, member: str) -> None:
    few, many = (
        calls_of(partial(client.get, "/api/v1/jobs?" + "".join(map(member.format, range(count)))))[0]
        for count in (FEW, MANY)
    )
    assert many < CALLS_OF_A_SMALL_BODY + 12 * few


def test_a_column_is_copied_once(client: FlaskClient, dataset: str, trained: dict[str, Any]) -> None:
    assert trained["done"]
    body = {"dataset_id": dataset, "columns": ["x1", "y", "x1"]}
    answer = client.post("/api/v1/models/moons/batch-predictions", json=body)
    assert problem_of(answer, 422)["detail"] == 'columns names "x1" more than once'
