"""Datasets over HTTP."""

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from service.settings import Settings
from tests.service.api.answers import json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES

URL = "/api/v1/datasets"
CSV = b"x1,x2,y\n1,2,a\n3,4,b\n5,,a\n"


def count(client: FlaskClient) -> int:
    return len(json_of(client.get(URL))["data"])


def test_a_sample_becomes_a_dataset_with_its_address(client: FlaskClient) -> None:
    answer = client.post(URL, json={"sample": "moons", "options": {"n_samples": 50}})
    assert answer.status_code == 201
    made = json_of(answer)
    assert answer.headers["Location"] == f"{URL}/{made['id']}"
    assert made["id"].startswith("ds_")
    assert (made["name"], made["status"], made["row_count"]) == ("moons", "ready", 50)
    assert [column["name"] for column in made["columns"]] == ["x1", "x2", "y"]
    assert client.get(answer.headers["Location"]).json == made


def test_a_preview_stores_nothing(client: FlaskClient, settings: Settings) -> None:
    seen = json_of(client.post("/api/v1/datasets:preview", data=CSV, content_type="text/csv"))
    assert seen["row_count"] == 3
    assert seen["rows"][2] == [5, None, "a"]
    assert count(client) == 0
    assert not list(settings.datasets_dir.glob("??/*"))


@ON_BOTH_DATABASES
def test_datasets_are_listed_newest_first_in_pages(client: FlaskClient) -> None:
    made = [json_of(client.post(URL, json={"sample": "xor", "name": f"n{i}"}))["id"] for i in range(3)]
    first = client.get(f"{URL}?limit=2")
    assert first.json is not None
    assert [each["id"] for each in first.json["data"]] == [made[2], made[1]]
    assert first.json["has_more"] is True
    assert first.headers["Link"] == f'<{URL}?limit=2&after={made[1]}>; rel="next"'
    second = client.get(f"{URL}?limit=2&after={first.json['next']}")
    assert second.json is not None
    assert [each["id"] for each in second.json["data"]] == [made[0]]
    assert (second.json["has_more"], second.json["next"]) == (False, None)
    assert "Link" not in second.headers


def test_rows_come_in_pages_in_their_own_order(client: FlaskClient, dataset: str) -> None:
    first = json_of(client.get(f"{URL}/{dataset}/rows?limit=60"))
    assert (len(first["data"]), first["has_more"], first["next"]) == (60, True, 60)
    second = json_of(client.get(f"{URL}/{dataset}/rows?limit=60&after=60"))
    assert (len(second["data"]), second["has_more"], second["next"]) == (40, False, None)


def test_bytes_that_the_disk_has_changed_are_not_served(
    client: FlaskClient, dataset: str, settings: Settings
) -> None:
    [file] = (path for path in settings.datasets_dir.rglob("*") if len(path.name) == 64)
    file.write_bytes(b"other bytes")
    answer = client.get(f"{URL}/{dataset}/rows")
    assert (answer.status_code, json_of(answer)["code"]) == (500, "dataset_unreadable")
    assert str(settings.data_dir) not in answer.text


def test_a_known_dataset_is_not_sent_again(client: FlaskClient, dataset: str) -> None:
    etag = client.get(f"{URL}/{dataset}").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(f"{URL}/{dataset}", headers={"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == etag
    assert client.get(f"{URL}/{dataset}", headers={"If-None-Match": '"other"'}).status_code == 200


@ON_BOTH_DATABASES
def test_a_dataset_is_deleted_once_no_live_job_uses_it(
    client: FlaskClient, dataset: str, post_job: Callable[..., dict[str, Any]]
) -> None:
    job = post_job()
    problem_of(client.delete(f"{URL}/{dataset}"), 409, "dataset_in_use")
    client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert client.delete(f"{URL}/{dataset}").status_code == 204
    problem_of(client.get(f"{URL}/{dataset}"), 404, "not_found")
    problem_of(client.delete(f"{URL}/{dataset}"), 404, "not_found")
