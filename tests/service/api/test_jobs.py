"""Jobs over HTTP."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from service.tables import claims
from service.tables.base import Database
from service.tables.jobs import Job
from tests.servers import eventually
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, SEED_SPEC, Post

URL = "/api/v1/jobs"
Change = dict[str, Any]


def listed(client: FlaskClient, query: str = "") -> list[str]:
    return [job["id"] for job in json_of(client.get(f"{URL}{query}"))["data"]]


def claim(settings: Settings) -> claims.Claimed:
    database = Database(settings.database)
    try:
        with database.session() as db:
            claimed = claims.claim_next(db, "a worker", claim_id="c1", lease_seconds=60)
    finally:
        database.close()
    assert claimed is not None
    return claimed


def fail(settings: Settings, error: dict[str, Any]) -> None:
    claimed, database = claim(settings), Database(settings.database)
    with database.session() as db:
        claims.fail(db, claimed, error)
    database.close()


@ON_BOTH_DATABASES
def test_the_smallest_body_is_queued_with_every_default_filled_in(client: FlaskClient, dataset: str) -> None:
    answer = client.post(URL, json={"dataset_id": dataset, "target": "y"})
    job = answer.json
    assert answer.status_code == 202
    assert job is not None
    for name in ("Location", "Operation-Location"):
        assert answer.headers[name] == f"http://localhost{URL}/{job['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (job["status"], job["done"], job["kind"], job["attempt"]) == ("queued", False, "train", 1)
    assert job["progress"]["fraction"] == 0
    assert job["queue_position"] == 1
    assert [move["status"] for move in job["transitions"]] == ["queued"]
    assert job["spec"]["features"] == ["x1", "x2"]
    assert job["spec"]["task"] == "binary"
    assert job["spec"]["training"]["seed"] == 1337
    assert (job["model_id"], job["error"], job["latest"]) == (None, None, None)


@ON_BOTH_DATABASES
def test_a_trained_job_shows_the_seeds_numbers_and_leads_to_its_model(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    assert trained["done"] is True
    assert trained["progress"] == {"fraction": 1.0, "epoch": 21, "epochs": 21, "eta_seconds": None}
    assert trained["latest"]["train_loss"] == pytest.approx(0.17946586268211423, abs=1e-12)
    assert [move["status"] for move in trained["transitions"]] == ["queued", "running", "succeeded"]
    assert trained["queue_position"] is None
    result = client.get(f"{URL}/{trained['id']}/result")
    assert result.status_code == 303
    assert result.headers["Location"] == trained["links"]["model"] == f"/api/v1/models/{trained['model_id']}"
    assert client.get(result.headers["Location"]).status_code == 200


def test_a_job_that_is_not_done_says_when_to_look_again(client: FlaskClient, post_job: Post) -> None:
    job = post_job()
    assert client.get(f"{URL}/{job['id']}").headers["Retry-After"] == "1"
    result = client.get(f"{URL}/{job['id']}/result")
    assert (result.status_code, result.headers["Retry-After"]) == (202, "1")
    assert result.json == client.get(f"{URL}/{job['id']}").json


def test_a_client_may_wait_for_the_end(
    client: FlaskClient, post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job()
    here = f"{URL}/{job['id']}"
    patient = {"Prefer": "respond-async, wait=20"}
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(client.application.test_client().get, here, headers=patient) for _ in range(2)]
        train()
        assert {json_of(answer.result())["status"] for answer in answers} == {"succeeded"}
    assert client.get(here, headers=patient).headers["Preference-Applied"] == "wait=20"


@pytest.mark.parametrize("prefer", ["wait=0", "wait=x", "", "swait=20", "wait=1.5"])
def test_a_client_that_does_not_wait_is_answered_at_once(
    client: FlaskClient, post_job: Post, prefer: str
) -> None:
    answer = client.get(f"{URL}/{post_job()['id']}", headers={"Prefer": prefer})
    assert json_of(answer)["status"] == "queued"


def test_a_broker_that_is_away_does_not_lose_the_job(
    client: FlaskClient, post_job: Post, app: Any, train: Callable[[], None]
) -> None:
    app.extensions["gradhouse"].broker.close()
    job = post_job()
    train()
    assert json_of(client.get(f"{URL}/{job['id']}"))["status"] == "succeeded"


@ON_BOTH_DATABASES
def test_a_queued_job_is_canceled_at_once_and_again_says_so(client: FlaskClient, post_job: Post) -> None:
    job = post_job()
    first = client.post(f"{URL}/{job['id']}/cancel")
    assert (first.status_code, first.json and first.json["status"]) == (202, "canceled")
    again = client.post(f"{URL}/{job['id']}/cancel")
    assert (again.status_code, again.json and again.json["status"]) == (200, "canceled")
    problem_of(client.get(f"{URL}/{job['id']}/result"), 409, "job_canceled")


@ON_BOTH_DATABASES
def test_a_running_job_shows_canceling_until_its_worker_sees_it(
    client: FlaskClient, post_job: Post, settings: Settings
) -> None:
    job = post_job()
    claim(settings)
    assert json_of(client.post(f"{URL}/{job['id']}/cancel"))["status"] == "canceling"
    assert client.post(f"{URL}/{job['id']}/cancel").status_code == 200
    assert listed(client, "?status=canceling") == [job["id"]]
    assert listed(client, "?status=running") == []


def test_a_finished_job_cannot_be_canceled(client: FlaskClient, trained: dict[str, Any]) -> None:
    detail = problem_of(client.post(f"{URL}/{trained['id']}/cancel"), 409, "job_finished")["detail"]
    assert "succeeded" in detail


@ON_BOTH_DATABASES
def test_a_failed_job_says_why_in_a_problem_document(
    client: FlaskClient, post_job: Post, settings: Settings
) -> None:
    job = post_job()
    fail(settings, {"code": "diverged", "detail": "the loss stopped in epoch 3", "hint": "less", "epoch": 3})
    error = json_of(client.get(f"{URL}/{job['id']}"))["error"]
    assert error["type"] == "/problems/diverged"
    assert error["message"] == error["detail"] == "the loss stopped in epoch 3"
    assert (error["code"], error["hint"], error["epoch"]) == ("diverged", "less", 3)
    assert "epoch 3" in problem_of(client.get(f"{URL}/{job['id']}/result"), 409, "diverged")["detail"]
    problem_of(client.post(f"{URL}/{job['id']}/cancel"), 409, "job_finished")


def test_a_result_whose_model_was_deleted_is_gone(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert client.delete(trained["links"]["model"]).status_code == 204
    problem_of(client.get(f"{URL}/{trained['id']}/result"), 410, "gone")


@ON_BOTH_DATABASES
def test_a_job_shows_first_what_a_list_shows_of_it_and_in_that_order(
    client: FlaskClient, post_job: Post
) -> None:
    made = post_job()
    (of_list,) = json_of(client.get(URL))["data"]
    assert [*made][: len(of_list)] == [*of_list]
    assert made["progress"]["epochs"] == of_list["progress"]["epochs"]


def test_jobs_are_listed_and_filtered(client: FlaskClient, post_job: Post, dataset: str) -> None:
    first, second = post_job()["id"], post_job(model={"name": "other"})["id"]
    assert listed(client) == [second, first]
    assert listed(client, "?name=other") == [second]
    assert listed(client, f"?dataset_id={dataset}&limit=1") == [second]
    assert listed(client, f"?after={second}") == [first]
    assert listed(client, "?status=succeeded") == []
    assert "transitions" not in json_of(client.get(URL))["data"][0]


@ON_BOTH_DATABASES
def test_only_a_job_that_is_done_is_deleted_and_its_model_stays(
    client: FlaskClient, trained: dict[str, Any], post_job: Post
) -> None:
    problem_of(client.delete(f"{URL}/{post_job()['id']}"), 409, "job_not_done")
    assert client.delete(f"{URL}/{trained['id']}").status_code == 204
    problem_of(client.get(f"{URL}/{trained['id']}"), 404, "not_found")
    assert client.get(trained["links"]["model"]).status_code == 200


@ON_BOTH_DATABASES
def test_jobs_wait_by_priority(client: FlaskClient, post_job: Post) -> None:
    low, high = post_job(priority="low"), post_job(priority="high", metadata={"team": "a"})
    assert json_of(client.get(f"{URL}/{low['id']}"))["queue_position"] == 2
    assert high["queue_position"] == 1
    assert (high["priority"], high["metadata"]) == ("high", {"team": "a"})


@ON_BOTH_DATABASES
def test_validation_says_what_the_post_would_and_queues_nothing(client: FlaskClient, dataset: str) -> None:
    body = {"dataset_id": dataset, **SEED_SPEC}
    answer = json_of(client.post(f"{URL}:validate", json=body))
    assert (answer["valid"], answer["parameters"]) == (True, 337)
    assert answer["spec"]["loss"] == "hinge"
    assert 0 < answer["estimated_seconds"] < 10
    assert answer["estimated_memory_bytes"] > 8 * 337
    wrong = {**body, "loss": "hing", "extra": 1}
    tried, posted = client.post(f"{URL}:validate", json=wrong), client.post(URL, json=wrong)
    assert errors_of(tried) == errors_of(posted)
    assert listed(client) == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=1.0", "status=done", "stat=queued"]
)
def test_a_wrong_query_is_refused(client: FlaskClient, query: str) -> None:
    assert set(errors_of(client.get(f"{URL}?{query}"))) == {f"/{query.partition('=')[0]}"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/history"), ("POST", "/cancel")],
)
def test_an_unknown_job_is_not_found(client: FlaskClient, method: str, path: str) -> None:
    answer = client.open(f"{URL}/job_nothing{path}", method=method)
    assert "job_nothing" in problem_of(answer, 404, "not_found")["detail"]


def test_another_owners_job_is_not_found(client: FlaskClient, post_job: Post, settings: Settings) -> None:
    job = post_job()
    database = Database(settings.database)
    with database.session() as db:
        row = db.get(Job, job["id"])
        assert row is not None
        row.owner = "somebody"
    database.close()
    problem_of(client.get(f"{URL}/{job['id']}"), 404, "not_found")
    problem_of(client.post(f"{URL}/{job['id']}/cancel"), 404, "not_found")
    assert listed(client) == []


@ON_BOTH_DATABASES
def test_a_job_that_waits_is_told_when_it_ends_once_somebody_works(
    client: FlaskClient, settings: Settings, trained: dict[str, Any], post_job: Post
) -> None:
    running, waiting = post_job(), post_job()

    def eta(job: dict[str, Any]) -> Any:
        return json_of(client.get(f"{URL}/{job['id']}"))["progress"]["eta_seconds"]

    assert eta(waiting) is None
    assert claim(settings).job_id == running["id"]
    eventually(lambda: eta(waiting) is not None, what="a look")
    assert 0 <= eta(running) < eta(waiting)
    shown = {job["id"]: job["progress"]["eta_seconds"] for job in json_of(client.get(URL))["data"]}
    assert shown[waiting["id"]] > 0
    assert shown[trained["id"]] is None
