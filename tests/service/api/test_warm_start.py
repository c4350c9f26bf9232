"""Jobs that go on from a model, over HTTP."""

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of
from tests.service.api.conftest import SEED_SPEC, Post


def test_a_job_goes_on_from_a_model(
    client: FlaskClient, trained: dict[str, Any], post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job(init_from="moons@1")
    assert job["spec"]["init_from"] == trained["model_id"]  # a name may move until its turn comes
    train()
    done = json_of(client.get(f"/api/v1/jobs/{job['id']}"))
    assert done["status"] == "succeeded", done
    before, after = (json_of(client.get(f"/api/v1/models/moons@{v}"))["metrics"]["train"] for v in (1, 2))
    assert after["loss"] < before["loss"]
    first = json_of(client.get(f"/api/v1/jobs/{job['id']}/history"))["data"][0]
    assert first["train_loss"] < 0.5  # the seed's own training begins far above


def test_a_start_that_is_none_is_refused(client: FlaskClient, trained: dict[str, Any], dataset: str) -> None:
    def errors(**changes: Any) -> Any:
        return errors_of(client.post("/api/v1/jobs", json={"dataset_id": dataset, **SEED_SPEC, **changes}))

    assert errors(init_from="suns") == {"/init_from": "unknown_model"}
    other = {**SEED_SPEC["model"], "hidden_layers": [4]}
    assert errors(init_from="moons", model=other) == {"/model/hidden_layers": "wrong_start"}
    assert errors(init_from="moons", features=["x1"]) == {"/features": "wrong_start"}


def test_a_job_whose_start_was_deleted_fails_with_the_reason(
    client: FlaskClient, trained: dict[str, Any], post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job(init_from="moons")
    client.delete("/api/v1/models/moons")
    train()
    done = json_of(client.get(f"/api/v1/jobs/{job['id']}"))
    assert (done["status"], done["error"]["code"]) == ("failed", "bad_data")
    assert "is not there" in done["error"]["detail"]
