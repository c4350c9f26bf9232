"""Datasets over HTTP."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from tests.service.api.answers import errors_of, json_of, problem_of
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


def test_rows_and_records_make_equal_datasets(client: FlaskClient) -> None:
    rows = {"name": "r", "columns": ["x", "y"], "rows": [[1, "a"], [2.5, "b"], [None, "a"]]}
    records = {"name": "r", "records": [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}, {"x": None, "y": "a"}]}
    first, second = (client.post(URL, json=body).json for body in (rows, records))
    assert first is not None
    assert second is not None
    assert first["sha256"] == second["sha256"]
    assert first["columns"] == second["columns"]
    assert first["columns"][0] == {
        "name": "x",
        "type": "number",
        "missing": 1,
        "min": 1.0,
        "max": 2.5,
        "mean": 1.75,
        "std": 0.75,
    }


def test_a_file_takes_its_name_and_type_from_the_form(client: FlaskClient) -> None:
    form = {"file": (io.BytesIO(CSV), "data/flowers.csv", "application/octet-stream")}
    answer = client.post(URL, data=form, content_type="multipart/form-data")
    assert answer.status_code == 201, answer.text
    made = json_of(answer)
    assert made["name"] == "flowers"
    rows = client.get(f"{URL}/{made['id']}/rows").json
    assert rows == {"data": [[1, 2, "a"], [3, 4, "b"], [5, None, "a"]], "has_more": False, "next": None}


def test_a_raw_body_is_read_by_its_media_type(client: FlaskClient) -> None:
    answer = client.post(f"{URL}?name=flowers", data=CSV, content_type="text/csv; charset=utf-8")
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["name"] == "flowers"
    lines = b'{"x": 1, "y": true}\n{"x": 2, "y": false}\n'
    assert client.post(URL, data=lines, content_type="application/x-ndjson").status_code == 201
    assert client.post(URL, json=[{"x": 1, "y": 2}]).status_code == 201


def test_a_preview_stores_nothing(client: FlaskClient, settings: Settings) -> None:
    seen = json_of(client.post("/api/v1/datasets:preview", data=CSV, content_type="text/csv"))
    assert seen["row_count"] == 3
    assert seen["rows"][2] == [5, None, "a"]
    assert count(client) == 0
    assert not list(settings.datasets_dir.rglob("*/*"))


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
    [file] = (path for path in settings.datasets_dir.rglob("*") if path.is_file())
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


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"x,y\n", "no rows"),
        (b"x,y\n1,2\n1\n", "line 3"),
        (b"x,y\n1,nan\n2,3\n", "line 2"),
        (b"x,y\n1,inf\n2,3\n", "not a finite number"),
        (b"x,x\n1,2\n", "2 columns"),
        (b'x,y\n"1,2\n', "line"),
        (b"x\0,y\n1,2\n", "zero bytes"),
    ],
)
def test_a_bad_file_says_where_and_leaves_nothing(
    client: FlaskClient, settings: Settings, data: bytes, words: str
) -> None:
    answer = client.post(URL, data=data, content_type="text/csv")
    assert words in problem_of(answer, 422)["detail"]
    assert count(client) == 0
    assert not list(settings.datasets_dir.rglob("*/*"))


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfx,y\n1,2\n3,4\n", b"x;y\n1;2\n3;4\n", "x,y\n1,fa\xe7ade\n3,b\n".encode("latin-1")]
)
def test_what_spreadsheets_write_is_read(client: FlaskClient, data: bytes) -> None:
    made = json_of(client.post(URL, data=data, content_type="text/csv"))
    assert [column["name"] for column in made["columns"]] == ["x", "y"]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"sampel": "moons"}, {"/sampel": "unknown_field", "": "ambiguous_source"}),
        ({"sample": "moon"}, {"/sample": "unknown_name"}),
        ({"sample": "moons", "rows": [[1]]}, {"": "ambiguous_source"}),
        ({"sample": "moons", "columns": ["x"]}, {"/columns": "unknown_field"}),
        ({"sample": "moons", "name": ""}, {"/name": "out_of_range"}),
        ({"sample": "moons", "name": "a\nb"}, {"/name": "invalid_text"}),
        ({"sample": "moons", "options": []}, {"/options": "wrong_type"}),
        ({"sample": "moons", "options": {"noise": -1, "n_samples": "a"}}, None),
        (
            {"name": 3, "columns": ["x", "y"], "rows": [[1, 2], [3]]},
            {"/name": "wrong_type", "/rows/1": "ragged_row"},
        ),
        ({"records": []}, {"/records": "no_rows"}),
        (
            {"records": [{"x": 1}, {"y": 1}]},
            {"/records/1/y": "unknown_column", "/records/1": "missing_column"},
        ),
        ({"rows": [[1]]}, {"/columns": "wrong_type"}),
        (3, {"": "wrong_type"}),
        ({}, {"": "ambiguous_source"}),
    ],
)
def test_a_bad_body_names_every_problem_at_once(
    client: FlaskClient, body: Any, errors: dict[str, str] | None
) -> None:
    found = errors_of(client.post(URL, json=body))
    assert found == errors if errors is not None else set(found) == {"/options/noise", "/options/n_samples"}
    assert count(client) == 0


def test_a_form_without_its_file_says_how_to_send_one(client: FlaskClient) -> None:
    form = {"upload": (io.BytesIO(CSV), "a.csv"), "nam": "x"}
    answer = client.post(URL, data=form, content_type="multipart/form-data")
    assert errors_of(answer) == {
        "/nam": "unknown_field",
        "/upload": "unknown_field",
        "/file": "missing_field",
    }
    form = {"file": (io.BytesIO(CSV), "a.exe", "application/x-msdownload")}
    assert errors_of(client.post(URL, data=form, content_type="multipart/form-data")) == {
        "/file": "unknown_value"
    }


def test_a_wrong_media_type_is_named_with_the_right_ones(client: FlaskClient) -> None:
    for media_type in ("application/xml", ""):
        answer = client.post(URL, data=CSV, content_type=media_type)
        assert "text/csv" in problem_of(answer, 415, "unsupported_media_type")["detail"]


def test_what_is_too_large_is_refused_with_the_bound(client: FlaskClient) -> None:
    detail = problem_of(client.post(URL, data=b"x" * 100_001, content_type="text/csv"), 413, "too_large")[
        "detail"
    ]
    assert "100000 bytes" in detail
    many = b"x\n" + b"1\n" * 1_001
    assert "1,000 rows" in problem_of(client.post(URL, data=many, content_type="text/csv"), 422)["detail"]
