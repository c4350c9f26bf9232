"""Histories over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, Post

SEED_LOSSES = {1: 0.7732538183378128, 11: 0.21790039451868812, 21: 0.17946586268211423}


def rows_of(client: FlaskClient, job: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json_of(client.get(f"{job['links']['history']}{query}"))["data"]
    return rows


@ON_BOTH_DATABASES
def test_every_epoch_is_one_row_with_the_seeds_losses(client: FlaskClient, trained: dict[str, Any]) -> None:
    rows = rows_of(client, trained)
    assert [row["epoch"] for row in rows] == list(range(1, 22))
    for epoch, loss in SEED_LOSSES.items():
        assert rows[epoch - 1]["train_loss"] == pytest.approx(loss, abs=1e-12)
    assert [rows[epoch - 1]["train_accuracy"] for epoch in (1, 11, 21)] == [0.68, 0.91, 0.94]
    assert {"learning_rate", "grad_norm"} <= rows[0].keys()


def test_a_history_is_read_in_pages(client: FlaskClient, trained: dict[str, Any]) -> None:
    page = client.get(f"{trained['links']['history']}?after=5&limit=10")
    assert page.json is not None
    assert [row["epoch"] for row in page.json["data"]] == list(range(6, 16))
    assert (page.json["has_more"], page.json["next"]) == (True, 15)
    assert page.headers["Link"].endswith('history?after=15&limit=10>; rel="next"')
    rest = json_of(client.get(f"{trained['links']['history']}?after=15&limit=10"))
    assert ([row["epoch"] for row in rest["data"]], rest["has_more"]) == (list(range(16, 22)), False)
    assert rows_of(client, trained, "?after=21") == []


def test_a_queued_job_has_an_empty_history(client: FlaskClient, post_job: Post) -> None:
    job = post_job()
    assert rows_of(client, job) == rows_of(client, job, "?points=5") == []


def test_a_thinned_history_keeps_first_last_and_extremes(
    client: FlaskClient, post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job(training={"epochs": 400, "seed": 3, "batch_size": 10})
    train()
    whole = rows_of(client, job)
    thinned = rows_of(client, job, "?points=20")
    assert len(thinned) <= 20
    assert (thinned[0], thinned[-1]) == (whole[0], whole[-1])
    assert all(row in whole for row in thinned)
    losses = [row["train_loss"] for row in whole]
    assert {min(losses), max(losses)} <= {row["train_loss"] for row in thinned}
    assert [row["epoch"] for row in thinned] == sorted(row["epoch"] for row in thinned)
    assert rows_of(client, job, "?points=500") == whole
    assert rows_of(client, job, "?points=20&after=390") == whole[390:]


def test_a_history_is_given_as_csv_to_who_accepts_that(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = client.get(f"{trained['links']['history']}?limit=2", headers={"Accept": "text/csv"})
    header, first, *rest = answer.text.splitlines()
    assert answer.content_type == "text/csv; charset=utf-8"
    assert header.startswith("epoch,train_loss,")
    assert first.startswith("1,0.77325381833781")
    assert len(rest) == 1


def test_a_history_in_another_form_is_not_acceptable(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = client.get(trained["links"]["history"], headers={"Accept": "image/png"})
    assert "text/csv" in problem_of(answer, 406, "not_acceptable")["detail"]


@ON_BOTH_DATABASES
def test_the_greatest_cursor_is_still_one(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert rows_of(client, trained, "?after=2000000000") == []
    answer = client.get(f"{trained['links']['history']}?after=2000000001")
    assert errors_of(answer) == {"/after": "out_of_range"}


def test_a_wrong_query_is_refused(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = client.get(f"{trained['links']['history']}?after=-1&points=1&pionts=3")
    assert errors_of(answer) == {
        "/after": "out_of_range",
        "/points": "out_of_range",
        "/pionts": "unknown_field",
    }
