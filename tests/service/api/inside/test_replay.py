"""The way of a training over HTTP."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from service.web.paging import MAX_ROW
from tests.service.api.answers import errors_of, json_of, problem_of


def test_the_last_checkpoint_is_the_model(client: FlaskClient, trained: dict[str, Any]) -> None:
    rows = json_of(client.get(f"/api/v1/jobs/{trained['id']}/checkpoints"))["data"]
    model = json_of(client.get(f"/api/v1/models/{trained['model_id']}"))
    assert [row["epoch"] for row in rows] == list(range(22))
    assert rows[-1]["sha256"] == model["sha256"]
    layers = json_of(client.get(f"/api/v1/models/{trained['model_id']}/parameters"))["layers"]
    flat = [x for layer in layers for row in (*layer["weights"], layer["biases"]) for x in row]
    assert rows[-1]["parameters"] == flat


def test_they_come_in_pages(client: FlaskClient, trained: dict[str, Any]) -> None:
    url = f"/api/v1/jobs/{trained['id']}/checkpoints"
    first = json_of(client.get(f"{url}?limit=5"))
    assert ([row["epoch"] for row in first["data"]], first["next"]) == ([0, 1, 2, 3, 4], 4)
    rest = json_of(client.get(f"{url}?after=4"))
    assert (rest["data"][0]["epoch"], rest["has_more"]) == (5, False)


@pytest.mark.parametrize(("form", "size"), [("float32", 4), ("float64", 8)])
def test_the_compact_form_holds_the_same(
    client: FlaskClient, trained: dict[str, Any], form: str, size: int
) -> None:
    url = f"/api/v1/jobs/{trained['id']}/checkpoints"
    rows = json_of(client.get(url))["data"]
    data = client.get(f"{url}?format={form}").data
    count = int.from_bytes(data[:4], "little")
    assert np.frombuffer(data, "<u4", count, 4).tolist() == [row["epoch"] for row in rows]
    numbers = np.frombuffer(data, f"<f{size}", offset=4 + 4 * count).reshape(count, -1)
    assert numbers.tolist() == np.array([row["parameters"] for row in rows]).astype(f"<f{size}").tolist()


def test_a_step_shows_what_moved(client: FlaskClient, trained: dict[str, Any]) -> None:
    rows = json_of(client.get(f"/api/v1/jobs/{trained['id']}/checkpoints"))["data"]
    step = json_of(client.get(f"/api/v1/jobs/{trained['id']}/steps/7"))
    assert (step["epoch"], step["steps_per_epoch"]) == (7, 1)
    assert step["parameters"] == rows[6]["parameters"]
    moved = np.array(rows[7]["parameters"]) - np.array(rows[6]["parameters"])
    assert step["update"] == moved.tolist()
    assert moved == pytest.approx(-step["learning_rate"] * np.array(step["gradients"]), rel=1e-9, abs=1e-12)
    assert len(step["rows"]) == 100


def test_a_step_that_was_not_taken_is_not_found(client: FlaskClient, trained: dict[str, Any]) -> None:
    for step in ("0", "22", "9" * 30):
        problem = problem_of(client.get(f"/api/v1/jobs/{trained['id']}/steps/{step}"), 404, "not_found")
        assert "1 to 21" in problem["detail"]
    problem_of(client.get("/api/v1/jobs/job_none/steps/1"), 404, "not_found")


def test_a_job_that_waits_has_no_steps(client: FlaskClient, post_job: Callable[..., dict[str, Any]]) -> None:
    job = post_job()
    assert json_of(client.get(f"/api/v1/jobs/{job['id']}/checkpoints"))["data"] == []
    problem_of(client.get(f"/api/v1/jobs/{job['id']}/steps/1"), 404, "not_found")
    assert json_of(client.get(f"/api/v1/jobs/{job['id']}/network"))["layers"][0]["units"] == 16


def test_job_and_model_have_the_same_network(client: FlaskClient, trained: dict[str, Any]) -> None:
    of_job = json_of(client.get(f"/api/v1/jobs/{trained['id']}/network"))
    assert of_job == json_of(client.get("/api/v1/models/moons/network"))
    assert [each["name"] for each in of_job["inputs"]] == ["x1", "x2"]


def test_without_the_dataset_the_way_can_be_seen_but_not_replayed(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    assert client.delete(f"/api/v1/datasets/{trained['dataset_id']}").status_code == 204
    assert len(json_of(client.get(f"/api/v1/jobs/{trained['id']}/checkpoints"))["data"]) == 22
    problem_of(client.get(f"/api/v1/jobs/{trained['id']}/steps/1"), 410, "gone")


def test_bounds_are_named(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = client.get(f"/api/v1/jobs/{trained['id']}/checkpoints?format=float16&limit=0")
    assert errors_of(answer) == {"/format": "unknown_value", "/limit": "out_of_range"}


def test_the_newest_can_be_asked_for_alone(client: FlaskClient, trained: dict[str, Any]) -> None:
    rows = json_of(client.get(f"/api/v1/jobs/{trained['id']}/checkpoints?newest=2"))["data"]
    assert [row["epoch"] for row in rows] == [20, 21]


def test_a_job_that_trains_nothing_has_no_network_and_no_steps(
    client: FlaskClient, trained: dict[str, Any], dataset: str
) -> None:
    batch = client.post(
        f"/api/v1/models/{trained['model_id']}/batch-predictions", json={"dataset_id": dataset}
    )
    for part in ("network", "steps/1"):
        problem_of(client.get(f"/api/v1/jobs/{json_of(batch)['id']}/{part}"), 404, "not_found")


def test_the_epoch_after_which_checkpoints_are_listed_is_bounded(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    address = f"/api/v1/jobs/{trained['id']}/checkpoints?after="
    assert json_of(client.get(f"{address}{MAX_ROW}"))["data"] == []
    assert errors_of(client.get(f"{address}{MAX_ROW + 1}")) == {"/after": "out_of_range"}
