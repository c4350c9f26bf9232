"""What may be uploaded, and every way it is refused."""

import gzip
import io
from hashlib import sha256
from typing import Any

import polars as pl
import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.decoding.damaged import parquet_of_a_monstrous_page

URL = "/api/v1/datasets"
CSV = b"x1,x2,y\n1,2,a\n3,4,b\n5,,a\n"


def count(client: FlaskClient) -> int:
    return len(json_of(client.get(URL))["data"])


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
        "distinct": 2,
        "min": 1.0,
        "max": 2.5,
        "mean": 1.75,
        "std": 0.75,
        "histogram": [1, *[0] * 18, 1],
    }


def test_a_file_takes_its_name_and_type_from_the_form(client: FlaskClient) -> None:
    form = {"file": (io.BytesIO(CSV), "data/flowers.csv", "application/octet-stream")}
    answer = client.post(URL, data=form, content_type="multipart/form-data")
    assert answer.status_code == 201, answer.text
    made = json_of(answer)
    assert made["name"] == "flowers"
    rows = client.get(f"{URL}/{made['id']}/rows").json
    assert rows == {"data": [[1, 2, "a"], [3, 4, "b"], [5, None, "a"]], "has_more": False, "next": None}


def test_what_a_program_piped_has_no_name_of_its_own(client: FlaskClient) -> None:
    form = {"file": (io.BytesIO(CSV), "-", "text/csv")}  # as `curl -F 'file=@-;type=text/csv'` sends it
    assert json_of(client.post(URL, data=form))["name"] is None


def test_what_was_sent_can_be_told_by_its_digest(client: FlaskClient) -> None:
    headers = {"Content-Encoding": "gzip"}
    made = (
        client.post(URL, data=CSV, content_type="text/csv"),
        client.post(URL, data={"file": (io.BytesIO(CSV), "flowers.csv")}),
        client.post(URL, data=gzip.compress(CSV), content_type="text/csv", headers=headers),
    )
    assert {json_of(each)["source_sha256"] for each in made} == {sha256(CSV).hexdigest()}
    assert json_of(client.post(URL, json=[{"x": 1, "y": 2}]))["source_sha256"] is None


def test_a_raw_body_is_read_by_its_media_type(client: FlaskClient) -> None:
    answer = client.post(f"{URL}?name=flowers", data=CSV, content_type="text/csv; charset=utf-8")
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["name"] == "flowers"
    lines = b'{"x": 1, "y": true}\n{"x": 2, "y": false}\n'
    assert client.post(URL, data=lines, content_type="application/x-ndjson").status_code == 201
    assert client.post(URL, json=[{"x": 1, "y": 2}]).status_code == 201


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
    assert not list(settings.datasets_dir.glob("??/*"))


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


def test_a_file_that_ends_its_decoder_is_an_answer_like_any_other(client: FlaskClient) -> None:
    for url in (URL, f"{URL}:preview"):
        sent = client.post(
            url, data=parquet_of_a_monstrous_page(), content_type="application/vnd.apache.parquet"
        )
        problem = problem_of(sent, 422, "validation_failed")
        assert problem["errors"][0]["code"] == "undecodable"
        assert "decoder_bytes" in problem["detail"]
        assert "send CSV" in problem["hint"]
    assert count(client) == 0


def test_a_binary_file_in_a_form_is_read_too(client: FlaskClient) -> None:
    file = io.BytesIO()
    pl.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]}).write_ipc(file)
    form = {"file": (io.BytesIO(file.getvalue()), "a.arrow")}
    answer = client.post(URL, data=form, content_type="multipart/form-data")
    assert (answer.status_code, json_of(answer)["row_count"]) == (201, 2)
