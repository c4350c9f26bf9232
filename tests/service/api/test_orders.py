"""What a job's body may hold, and every way it is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.tables import datasets
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import SEED_SPEC

URL = "/api/v1/jobs"
LOSS = "/loss/expression"
Change = dict[str, Any]


def listed(client: FlaskClient, query: str = "") -> list[str]:
    return [job["id"] for job in json_of(client.get(f"{URL}{query}"))["data"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"learing_rate": 1}, ("/learing_rate", "unknown_field", "learing_rate")),
        (
            {"optimizer": {"learing_rate": 1}},
            ("/optimizer/learing_rate", "unknown_field", 'did you mean "learning_rate"'),
        ),
        ({"target": "z"}, ("/target", "unknown_column", "x1, x2, y")),
        ({"features": ["x1", "x3"]}, ("/features/1", "unknown_column", "x3")),
        ({"loss": "hing"}, ("/loss", "unknown_name", 'did you mean "hinge"')),
        (
            {"model": {"hidden_layers": [{"units": 4, "activation": "tan"}]}},
            (None, "unknown_name", 'did you mean "tanh"'),
        ),
        (
            {"optimizer": {"name": "sgd", "learning_rate": -1}},
            ("/optimizer/learning_rate", "out_of_range", "got -1"),
        ),
        ({"training": {"epochs": 0}}, ("/training/epochs", "out_of_range", "got 0")),
        ({"training": {"epochs": 2.5}}, ("/training/epochs", "wrong_type", "got 2.5")),
        ({"training": {"epochs": "21"}}, ("/training/epochs", "wrong_type", "integer")),
        ({"training": {"epochs": True}}, ("/training/epochs", "wrong_type", "integer")),
        ({"training": {"epochs": 10**9}}, ("/training/epochs", "out_of_range", "1000000")),
        ({"model": {"hidden_layers": [1_000_000]}}, ("/model/hidden_layers/0", "out_of_range", "4096")),
        ({"model": {"hidden_layers": [4096, 4096]}}, ("/model/hidden_layers", "too_large", "parameters")),
        (
            {"loss": {"expression": "relu(1 - yy*s)"}},
            (LOSS, "bad_expression", "at character 10: unknown name"),
        ),
        (
            {"loss": {"expression": "s*open('x')"}},
            (LOSS, "bad_expression", "at character 3: unknown function"),
        ),
        ({"loss": {"expression": "s.__class__"}}, (LOSS, "bad_expression", "at character 1: an attribute")),
        ({"loss": {"expression": "y + s**9**9"}}, (LOSS, "bad_expression", "at character 8: an exponent")),
        (
            {"loss": {"expression": "-" * 60 + "s"}},
            (LOSS, "bad_expression", "at character 41: nested deeper"),
        ),
        ({"loss": {"expression": "s" + "+s" * 600}}, (LOSS, "out_of_range", "1000")),
        ({"loss": {"expression": "s +"}}, (LOSS, "bad_expression", "at character 4: not an expression")),
        ({"loss": {"expression": "y*y"}}, (LOSS, "bad_expression", "does not use the score s")),
        ({"model": {"name": "a/b"}}, ("/model/name", "invalid_text", '"/" or "@"')),
        ({"model": {"name": "a@2"}}, ("/model/name", "invalid_text", "a@2")),
        ({"model": {"name": "mdl_1"}}, ("/model/name", "invalid_text", "mdl_1")),
        ({"model": {"name": ".."}}, ("/model/name", "invalid_text", "..")),
        ({"priority": "urgent"}, ("/priority", "unknown_value", "high, normal, low")),
        ({"metadata": [1]}, ("/metadata", "wrong_type", "got [1]")),
        ({"metadata": {"a": "b" * 20_000}}, ("/metadata", "too_large", "16384 bytes")),
        ({"dataset_id": "ds_nothing"}, ("/dataset_id", "unknown_dataset", "ds_nothing")),
        ({"dataset_id": 3}, ("/dataset_id", "wrong_type", "got 3")),
        ({"dataset_id": None}, ("/dataset_id", "wrong_type", "got null")),
        ({"init_from": 3}, ("/init_from", None, "init_from")),
    ],
)
def test_bad_input_names_fact_bound_and_remedy_and_queues_nothing(
    client: FlaskClient, dataset: str, change: Change, expected: tuple[str | None, str | None, str]
) -> None:
    answer = client.post(URL, json={"dataset_id": dataset, **SEED_SPEC, **change})
    errors = problem_of(answer, 422)["errors"]
    pointer, code, words = expected
    [error] = [each for each in errors if pointer in (None, each["pointer"])]
    assert code in (None, error["code"])
    assert words in f"{error['detail']} {error.get('hint', '')}"
    assert listed(client) == []


def test_all_problems_of_envelope_and_spec_come_at_once(client: FlaskClient) -> None:
    body = {
        "dataset_id": "ds_nothing",
        "priority": "hihg",
        "target": "y",
        "optimiser": {},
        "optimizer": {"name": "sgd", "learning_rate": -1},
        "training": {"epochs": 0, "seed": "x"},
    }
    assert errors_of(client.post(URL, json=body)) == {
        "/dataset_id": "unknown_dataset",
        "/priority": "unknown_value",
        "/optimiser": "unknown_field",
        "/optimizer/learning_rate": "out_of_range",
        "/training/epochs": "out_of_range",
        "/training/seed": "wrong_type",
    }


def test_a_target_with_one_class_teaches_nothing(client: FlaskClient) -> None:
    rows = {"columns": ["x", "y"], "rows": [[i, "a"] for i in range(20)]}
    made = json_of(client.post("/api/v1/datasets", json=rows))
    answer = client.post(URL, json={"dataset_id": made["id"], "target": "y"})
    assert errors_of(answer) == {"/target": "one_class"}


def test_text_where_numbers_are_due_is_refused(client: FlaskClient) -> None:
    rows = {"columns": ["x", "y"], "rows": [[i, f"value {i % 3}"] for i in range(20)]}
    made = json_of(client.post("/api/v1/datasets", json=rows))
    answer = client.post(URL, json={"dataset_id": made["id"], "target": "y", "task": "regression"})
    assert errors_of(answer) == {"/task": "wrong_target"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "empty"),
        ("{", "line 1 column 2"),
        ('{"target":\n "y",}', "line 2"),
        ('{"optimizer": {"learning_rate": NaN}}', "line 1 column 33"),
        ('{"a": Infinity}', "line 1 column 7"),
        ('{"target": "y", "target": "z"}', '"target" stands twice'),
        ("[" * 40 + "]" * 40, "32 levels"),
        ("\ufeff{}", "BOM"),
        (b"\xff", "UTF-8"),
        ('{"a": 1e999}', "too large"),
    ],
)
def test_what_is_not_json_is_refused_with_line_and_column(
    client: FlaskClient, data: str | bytes, words: str
) -> None:
    answer = client.post(URL, data=data, content_type="application/json")
    assert words in problem_of(answer, 400, "not_json")["detail"]


@pytest.mark.parametrize("body", ["[]", "3", '"x"', "null"])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post(URL, data=body, content_type="application/json")
    assert errors_of(answer) == {"": "wrong_type"}


def test_a_wrong_media_type_is_refused(client: FlaskClient, dataset: str) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post(
            URL, data=f'{{"dataset_id": "{dataset}", "target": "y"}}', content_type=media_type
        )
        problem_of(answer, 415, "unsupported_media_type")
    assert listed(client) == []


def test_a_second_dataset_validates_and_stays_while_it_is_needed(
    client: FlaskClient, train: Callable[[], None]
) -> None:
    rows = [[i / 7 % 1, i % 2] for i in range(40)]
    first, second, other = (
        json_of(client.post("/api/v1/datasets", json={"columns": names, "rows": rows}))["id"]
        for names in (["x", "y"], ["x", "y"], ["z", "y"])
    )
    body = {"dataset_id": first, "target": "y", "training": {"epochs": 3}}
    for dataset_id, code in ((other, "unknown_column"), ("ds_none", "unknown_dataset")):
        answer = client.post("/api/v1/jobs", json={**body, "split": {"dataset_id": dataset_id}})
        problem = problem_of(answer, 422)
        assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [("/split/dataset_id", code)]
    job = json_of(client.post("/api/v1/jobs", json={**body, "split": {"dataset_id": second}}))
    problem_of(client.delete(f"/api/v1/datasets/{second}"), 409, "dataset_in_use")
    train()
    done = json_of(client.get(f"/api/v1/jobs/{job['id']}"))
    assert (done["status"], "val_loss" in done["latest"]) == ("succeeded", True)
    assert client.delete(f"/api/v1/datasets/{second}").status_code == 204


@pytest.mark.parametrize("pointer", ["/dataset_id", "/split/dataset_id"])
def test_a_dataset_that_is_removed_while_its_job_is_ordered_is_unknown(
    client: FlaskClient, dataset: str, pointer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = json_of(client.post("/api/v1/datasets", json={"sample": "moons"}))["id"]
    gone = dataset if pointer == "/dataset_id" else second
    monkeypatch.setattr("service.api.jobs.check_queue", lambda db: datasets.remove(db, "local", gone))
    body = {"dataset_id": dataset, **SEED_SPEC}
    if gone == second:
        body["split"] = {"dataset_id": second}
    problem = problem_of(client.post(URL, json=body), 422)
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(pointer, "unknown_dataset")]
    assert listed(client) == []
