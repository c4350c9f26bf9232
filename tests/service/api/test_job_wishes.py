"""What users ask of jobs over HTTP: every wish in every state, and what becomes of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from service.settings import Settings
from service.tables import claims, wishes
from service.tables.base import LOCAL_OWNER, Database
from service.tables.claims import Claimed
from service.tables.jobs import Job
from tests.service.api.answers import json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, Post
from tests.service.tables.rows import MODEL, progress

URL = "/api/v1/jobs"
OK, NONE = 202, 204

# What each wish is answered in each state: a status, or the code of a 409.
MATRIX: dict[str, dict[str, int | str]] = {
    "queued": {"cancel": OK, "stop": "job_not_started", "resume": "job_not_done", "delete": "job_not_done"},
    "sliced": {"cancel": OK, "stop": OK, "resume": "job_not_done", "delete": "job_not_done"},
    "running": {"cancel": OK, "stop": OK, "resume": "job_not_done", "delete": "job_not_done"},
    "canceling": {"cancel": 200, "stop": "job_canceling", "resume": "job_not_done", "delete": "job_not_done"},
    "stopping": {"cancel": OK, "stop": 200, "resume": "job_not_done", "delete": "job_not_done"},
    "succeeded": {"cancel": "job_finished", "stop": "job_finished", "resume": "job_finished", "delete": NONE},
    "failed": {"cancel": "job_finished", "stop": "job_finished", "resume": OK, "delete": NONE},
    "canceled": {"cancel": 200, "stop": "job_finished", "resume": OK, "delete": NONE},
}
CASES = [(state, wish) for state, row in MATRIX.items() for wish in row]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database)
    yield opened
    opened.close()


def _claim(database: Database) -> Claimed:
    with database.session() as db:
        claimed = claims.claim_next(db, "a worker", claim_id="c1", lease_seconds=60)
    assert claimed is not None
    return claimed


def _bring_into(state: str, database: Database, job_id: str) -> None:
    """Brings a queued job into a state, as its worker and its user would."""
    if state == "queued":
        return
    claimed = _claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        if state == "sliced":
            claims.release(db, claimed, reason="slice")
        elif state == "canceling":
            wishes.request_cancel(db, LOCAL_OWNER, job_id)
        elif state == "stopping":
            wishes.request_stop(db, LOCAL_OWNER, job_id)
        elif state == "succeeded":
            claims.succeed(db, claimed, progress(10, first=5), model=MODEL)
        elif state == "failed":
            claims.fail(db, claimed, {"code": "diverged", "detail": "it did", "hint": ""})
        elif state == "canceled":
            claims.cancel(db, claimed, None)


def _row(database: Database, job_id: str) -> dict[str, Any]:
    with database.reading() as db:
        row = db.execute(select(Job.__table__).where(Job.id == job_id)).one()
    return dict(row._mapping)


def _ask(client: FlaskClient, job_id: str, wish: str) -> Any:
    if wish == "delete":
        return client.delete(f"{URL}/{job_id}")
    return client.post(f"{URL}/{job_id}/{wish}")


@pytest.mark.parametrize(("state", "wish"), CASES)
@ON_BOTH_DATABASES
def test_every_wish_in_every_state_is_granted_or_changes_nothing(
    client: FlaskClient, post_job: Post, database: Database, state: str, wish: str
) -> None:
    job_id, expected = post_job()["id"], MATRIX[state][wish]
    _bring_into(state, database, job_id)
    before = _row(database, job_id)
    answer = _ask(client, job_id, wish)
    if isinstance(expected, str):
        problem_of(answer, 409, expected)
    else:
        assert answer.status_code == expected, answer.text
    if isinstance(expected, str) or expected == 200:
        assert _row(database, job_id) == before


@ON_BOTH_DATABASES
def test_a_resumed_job_trains_on_to_the_model_of_an_undisturbed_one(
    client: FlaskClient, post_job: Post, train: Callable[[], None]
) -> None:
    spec = {"training": {"epochs": 21, "batch_size": None, "seed": 1337}}
    straight, resumed = post_job(**spec), post_job(**spec)
    assert client.post(f"{URL}/{resumed['id']}/cancel").status_code == 202
    answer = client.post(f"{URL}/{resumed['id']}/resume")
    assert (answer.status_code, json_of(answer)["status"], json_of(answer)["error"]) == (202, "queued", None)
    train()
    models = [json_of(client.get(f"{URL}/{job['id']}"))["links"]["model"] for job in (straight, resumed)]
    first, second = (json_of(client.get(model))["sha256"] for model in models)
    assert first == second
    moves = [each["status"] for each in json_of(client.get(f"{URL}/{resumed['id']}"))["transitions"]]
    assert moves == ["queued", "canceled", "queued", "running", "succeeded"]


def test_a_running_job_tells_that_it_was_asked_to_stop(
    client: FlaskClient, post_job: Post, database: Database
) -> None:
    job = post_job()
    assert job["stop_requested"] is False
    _bring_into("running", database, job["id"])
    answer = json_of(client.post(f"{URL}/{job['id']}/stop"))
    assert (answer["status"], answer["stop_requested"]) == ("running", True)
    assert json_of(client.get(f"{URL}/{job['id']}"))["stop_requested"] is True


def test_a_stopped_job_keeps_the_model_of_that_moment(
    client: FlaskClient, post_job: Post, train: Callable[[], None], database: Database
) -> None:
    job = post_job(training={"epochs": 1_000_000})
    with database.session() as db:
        row = db.get(Job, job["id"])
        assert row is not None
        row.stop_requested = True  # a worker sees the flag at its first look, and this test needs no thread
    train()
    stopped = json_of(client.get(f"{URL}/{job['id']}"))
    assert stopped["status"] == "succeeded"
    assert 0 < stopped["progress"]["epoch"] < 1_000_000
    assert client.get(stopped["links"]["model"]).status_code == 200


def test_a_job_whose_dataset_was_deleted_cannot_be_resumed(
    client: FlaskClient, post_job: Post, dataset: str
) -> None:
    job = post_job()
    client.post(f"{URL}/{job['id']}/cancel")
    assert client.delete(f"/api/v1/datasets/{dataset}").status_code == 204
    problem_of(client.post(f"{URL}/{job['id']}/resume"), 409, "dataset_gone")
    assert json_of(client.get(f"{URL}/{job['id']}"))["status"] == "canceled"


@pytest.mark.parametrize("wish", ["cancel", "stop", "resume", "delete"])
def test_no_wish_finds_an_unknown_job(client: FlaskClient, wish: str) -> None:
    assert "job_nothing" in problem_of(_ask(client, "job_nothing", wish), 404, "not_found")["detail"]


@pytest.mark.parametrize(("state", "wish"), CASES)
def test_no_wish_reaches_another_owners_job(
    client: FlaskClient, post_job: Post, database: Database, state: str, wish: str
) -> None:
    job_id = post_job()["id"]
    _bring_into(state, database, job_id)
    with database.session() as db:
        db.get_one(Job, job_id).owner = "somebody"
    before = _row(database, job_id)
    problem_of(_ask(client, job_id, wish), 404, "not_found")
    assert _row(database, job_id) == before
