"""Files as they should not be: each refused in words that name place and remedy, and nothing of it stays."""

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from backports import zstd
from flask.testing import FlaskClient

from service.settings import Settings
from tests.service.api.answers import json_of, problem_of

URL = "/api/v1/datasets"
CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.file"
STREAM = "application/vnd.apache.arrow.stream"


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def arrow_that_says(length: int) -> bytes:
    """An Arrow file of 150 rows, whose batch says that it has others."""
    buffer, rows = io.BytesIO(), struct.pack("<q", 150)
    pl.DataFrame({"x": [0.5] * 150}).write_ipc(buffer, compression="uncompressed")
    data = buffer.getvalue()
    assert rows in data
    return data.replace(rows, struct.pack("<q", length))


GOOD = parquet(pl.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]}))
LONG, NEGATIVE = (arrow_that_says(length) for length in (2**62, -1))
LYING = GOOD[:4] + GOOD[4:-8][::-1] + GOOD[-8:]
WIDE = ",".join(f"c{i}" for i in range(2_001)).encode()

BROKEN: dict[str, tuple[str, bytes, str, str]] = {
    "nothing": (CSV, b"", "empty", "the file is empty"),
    "blank lines alone": (CSV, b"\n\r\n\n", "empty", "the file is empty"),
    "a mark alone": (CSV, b"\xef\xbb\xbf", "empty", "the file is empty"),
    "a header alone": (CSV, b"x,y\n", "no_rows", "a header and no rows"),
    "a header without its line end": (CSV, b"x,y", "no_rows", "a header and no rows"),
    "a short row": (CSV, b"x,y\n1,2\n3\n", "ragged_row", "line 3 has 1 cells, the header has 2"),
    "a long row": (CSV, b"x,y\n1,2,3\n", "ragged_row", "line 2 has 3 cells, the header has 2"),
    "a decimal comma among commas": (CSV, b"x,y\n1,5,2\n", "ragged_row", "line 2 has 3 cells"),
    "a short row after a quoted one": (CSV, b'x,y\n"a\nb",2\n3\n', "ragged_row", "line 4 has 1 cells"),
    "two short rows that even out": (CSV, b"x,y\n1\n1,2,3\n", "ragged_row", "line 2 has 1 cells"),
    "a quote never closed": (CSV, b'x,y\n1,"2\n3,4\n', "not_csv", "line 3"),
    "text after a quote": (CSV, b'x,y\n1,"a"b\n', "not_csv", "line 2"),
    "a name twice": (CSV, b"x,x\n1,2\n", "duplicate_name", '2 columns are called "x"'),
    "a name twice but for space": (CSV, b"x, x\n1,2\n", "duplicate_name", '2 columns are called "x"'),
    "a column without a name": (CSV, b"x,,y\n1,2,3\n", "empty_name", "column 2 has no name"),
    "a delimiter at each line's end": (CSV, b"x,y,\n1,2,\n", "empty_name", "column 3 has no name"),
    "infinity": (CSV, b"x\n1\ninf\n", "not_finite", 'line 3, column "x": "inf" is not a finite number'),
    "not a number": (CSV, b"x\n1\nNaN\n", "not_finite", 'line 3, column "x": "NaN"'),
    "a number beyond float64": (CSV, b"x\n1\n1e999\n", "not_finite", 'line 3, column "x": "1e999"'),
    "a number beyond it after quotes": (CSV, b'x,y\n1,"a\nb"\n-1e999,c\n', "not_finite", "line 4"),
    "zero bytes": (CSV, b"x,y\n1,\x00\n", "not_text", "zero bytes"),
    "UTF-16": (CSV, "x,y\n1,2\n".encode("utf-16"), "not_text", "UTF-16"),
    "a picture": (CSV, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not_text", "zero bytes"),
    "a spreadsheet's own format": (
        CSV,
        b"PK\x03\x04\x14\x00\x06\x00",
        "not_text",
        "the file is a zip archive",
    ),
    "Parquet that is called CSV": (CSV, GOOD, "not_text", "the file is Parquet"),
    "gzip that is called CSV": (CSV, gzip.compress(b"x\n1\n"), "not_text", "the file is gzip"),
    "a web page that is called CSV": (CSV, b"<!doctype html>\n<p>Sign in</p>", "not_text", "a web page"),
    "JSON that is called CSV": (CSV, b'[{"x":1},{"x":2}]', "not_text", "the file is JSON"),
    "too many columns": (CSV, WIDE + b"\n" + WIDE, "too_large", "more than 2,000 columns"),
    "too many rows": (CSV, b"x\n" + b"1\n" * 1_001, "too_large", "more than 1,000 rows"),
    "no JSON lines": (NDJSON, b"", "no_rows", "at least one record"),
    "a line that is no JSON": (NDJSON, b'{"x":1}\n{"x":\n', "not_json", "line 2 is not JSON"),
    "a line that is no object": (NDJSON, b'{"x":1}\n[1]\n', "wrong_type", "record 2 must be an object"),
    "a line without a member": (NDJSON, b'{"x":1,"y":1}\n{"x":1}\n', "missing_column", 'record 2 has no "y"'),
    "a line with a new member": (NDJSON, b'{"x":1}\n{"x":1,"z":1}\n', "unknown_column", '"z"'),
    "a cell that is a list": (NDJSON, b'{"x":[1]}\n', "wrong_type", 'column "x": a cell is a number'),
    "a number too large in JSON": (NDJSON, b'{"x":1e999}\n', "not_finite", "not a finite number"),
    "bytes that are not UTF-8 in JSON": (NDJSON, b'{"x":"\xff"}\n', "not_json", "line 1 is not JSON"),
    "no Parquet": (PARQUET, b"", "not_parquet", "the file is not Parquet"),
    "CSV that is called Parquet": (PARQUET, b"x,y\n1,2\n", "not_parquet", "the file is not Parquet"),
    "half of a Parquet file": (PARQUET, GOOD[: len(GOOD) // 2], "not_parquet", "not Parquet"),
    "Parquet with a footer that lies": (PARQUET, LYING, "not_parquet", "not Parquet"),
    "Parquet without rows": (PARQUET, parquet(pl.DataFrame({"x": [0.5]})[:0]), "no_rows", "no rows"),
    "Parquet with dates": (
        PARQUET,
        parquet(pl.DataFrame({"day": ["2026-01-01"]}).select(pl.col("day").str.to_date())),
        "wrong_type",
        'column "day" holds Date',
    ),
    "Parquet with lists": (PARQUET, parquet(pl.DataFrame({"x": [[1, 2]]})), "wrong_type", 'column "x" holds'),
    "Parquet with infinity": (PARQUET, parquet(pl.DataFrame({"x": [float("inf")]})), "not_finite", "row 1"),
    "a Parquet bomb": (PARQUET, parquet(pl.DataFrame({"x": [0] * 900_000})), "too_large", "1,000 rows"),
    "Arrow with a length that lies": (ARROW, LONG, "not_arrow", "parts and lengths cannot be true"),
    "Arrow with a length below zero": (ARROW, NEGATIVE, "not_arrow", "parts and lengths cannot be true"),
    "Parquet that is called Arrow": (ARROW, GOOD, "not_arrow", "not an Arrow file"),
    "text that is called an Arrow stream": (STREAM, b"x,y\n1,2\n", "not_arrow", "not an Arrow stream"),
}


def assert_nothing_stays(client: FlaskClient, settings: Settings) -> None:
    assert json_of(client.get(URL))["data"] == []
    assert list(settings.datasets_dir.glob("??/*")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_explained_and_leaves_nothing(
    client: FlaskClient, settings: Settings, name: str
) -> None:
    media_type, data, code, words = BROKEN[name]
    problem = problem_of(client.post(URL, data=data, content_type=media_type), 422)
    found = problem["errors"]
    assert code in {each["code"] for each in found}
    assert words in " ".join(each["detail"] for each in found)
    assert len(found) <= 20
    assert str(settings.data_dir) not in str(problem)
    assert "/tmp" not in str(problem)
    assert_nothing_stays(client, settings)


ODD: dict[str, tuple[bytes, list[Any]]] = {
    "numbers of other scripts are text": ("x\n１２\n3\n".encode(), ["１２", "3"]),
    "hexadecimal numbers are text": (b"x\n0x10\n3\n", ["0x10", "3"]),
    "dates are text": (b"x\n2026-01-31\n2026-02-01\n", ["2026-01-31", "2026-02-01"]),
    "formulas are text, never run": (b"x\n=1+1\n@SUM(A1)\n", ["=1+1", "@SUM(A1)"]),
    "latin-1 in the middle is read": ("x\nmüde\nja\n".encode("latin-1"), ["müde", "ja"]),
    "line ends of three systems are one": (b"x\r\n1\r\n2\r\n", [1, 2]),
    "old line ends end lines": (b"x\r1\r2\r", [1, 2]),
    "space around cells is none of them": (b" x \n 1 \n\t2\n", [1, 2]),
    "blank lines are passed over": (b"\n\nx\n\n1\n\n2\n\n", [1, 2]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_as_they_are_meant(client: FlaskClient, name: str) -> None:
    data, cells = ODD[name]
    seen = json_of(client.post("/api/v1/datasets:preview", data=data, content_type=CSV))
    assert [row[0] for row in seen["rows"]] == cells


def test_formulas_and_latin_1_are_told_of(client: FlaskClient) -> None:
    data = "x,y\n=1+1,ä\nb,c\n".encode("latin-1")
    warnings = json_of(client.post("/api/v1/datasets:preview", data=data, content_type=CSV))["warnings"]
    assert "the file is not UTF-8; it was read as latin-1" in warnings
    assert any("formulas" in warning for warning in warnings)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
def test_compressed_bodies_are_unpacked(client: FlaskClient, encoding: str) -> None:
    data = b"x,y\n1,a\n2,b\n" * 1
    packed = zlib.compress(data) if encoding == "deflate" else gzip.compress(data)
    answer = client.post(URL, data=packed, content_type=CSV, headers={"Content-Encoding": encoding})
    assert json_of(answer)["row_count"] == 2
    body = gzip.compress(b'{"columns": ["x"], "rows": [[1]]}')
    kept = client.post(URL, data=body, content_type=JSON, headers={"Content-Encoding": "gzip"})
    assert json_of(kept)["row_count"] == 1


@pytest.mark.parametrize("cell", ["0x10", "１２", "2026-01-01", "=A1+1", "1 000", "1.5.2", "twelve", "1_000"])
def test_what_is_called_a_number_and_is_none_is_named(
    client: FlaskClient, settings: Settings, cell: str
) -> None:
    data, types = f"x,y\n1,a\n{cell},b\n".encode(), {"types": '{"x": "number"}'}
    answer = client.post(URL, data=data, content_type=CSV, query_string=types)
    (problem,) = problem_of(answer, 422)["errors"]
    assert problem["detail"] == f'line 3, column "x": "{cell}" is not a number'
    assert "correct it, add it to nulls" in answer.text
    assert_nothing_stays(client, settings)


@pytest.mark.parametrize(
    ("data", "encoding", "refusal"),
    [
        (gzip.compress(b"x\n" + b"1" * 50_000_000, mtime=0), "gzip", (413, "too_large")),
        (gzip.compress(b"x\n1\n", mtime=0)[:-4], "gzip", (400, "bad_request")),
        (b"x\n1\n", "gzip", (400, "bad_request")),
        (b"", "gzip", (400, "bad_request")),
        (zstd.compress(b"x\n" + b"1" * 50_000_000), "zstd", (413, "too_large")),
        (zstd.compress(b"x\n1\n")[:-4], "zstd", (400, "bad_request")),
        (b"x\n1\n", "zstd", (400, "bad_request")),
        (b"x\n1\n", "br", (415, "unsupported_media_type")),
        (b"x\n1\n", "gzip, gzip", (415, "unsupported_media_type")),
    ],
)
def test_bombs_and_broken_encodings_are_refused(
    client: FlaskClient, settings: Settings, data: bytes, encoding: str, refusal: tuple[int, str]
) -> None:
    answer = client.post(URL, data=data, content_type=CSV, headers={"Content-Encoding": encoding})
    problem_of(answer, *refusal)
    assert_nothing_stays(client, settings)


def test_a_declared_length_beyond_the_bound_is_refused_unread(client: FlaskClient) -> None:
    environ = {"CONTENT_LENGTH": str(10 * 2**30), "wsgi.input": io.BytesIO(b"x\n1\n")}
    answer = client.post(URL, content_type=CSV, environ_overrides=environ)
    problem_of(answer, 413, "too_large")


@pytest.mark.parametrize("content_type", [CSV, "multipart/form-data; boundary=b"])
def test_a_client_that_leaves_half_way_leaves_nothing(
    client: FlaskClient, settings: Settings, content_type: str
) -> None:
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
    data = (start if "form" in content_type else b"") + b"x,y\n1,2\n3"
    environ = {"CONTENT_LENGTH": "5000", "wsgi.input": io.BytesIO(data)}
    problem_of(client.post(URL, content_type=content_type, environ_overrides=environ), 400, "bad_request")
    assert_nothing_stays(client, settings)


@pytest.mark.parametrize("content_type", [CSV, NDJSON, STREAM])
def test_a_file_in_chunks_might_break_off_unseen(client: FlaskClient, content_type: str) -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Type": content_type}
    answer = client.post(URL, input_stream=io.BytesIO(b"x\n1\n"), headers=headers)
    problem = problem_of(answer, 411, "length_required")
    assert "curl -F" in problem["hint"]
    assert "411" in json_of(client.get("/openapi.json"))["paths"][URL]["post"]["responses"]


def test_the_users_types_and_nulls_hold_in_every_form(client: FlaskClient) -> None:
    options = {"types": '{"zip": "category"}', "nulls": '["-99"]'}
    data = b"zip,y\n01234,1\n98765,-99\n"
    raw = client.post(URL, data=data, content_type=CSV, query_string=options)
    form = client.post(URL, data={**options, "file": (io.BytesIO(data), "a.csv")})
    rows = {"columns": ["zip", "y"], "rows": [["01234", 1], ["98765", None]], "types": {"zip": "category"}}
    digests = {json_of(answer)["sha256"] for answer in (raw, form, client.post(URL, json=rows))}
    assert len(digests) == 1
    assert json_of(raw)["columns"][0]["type"] == "category"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"types": "zip"}, "/types", "not_json"),
        ({"types": "[]"}, "/types", "wrong_type"),
        ({"types": '{"x": "date"}'}, "/types/x", "unknown_name"),
        ({"types": '{"z": "number"}'}, "/types/z", "unknown_column"),
        ({"nulls": '"NA"'}, "/nulls", "wrong_type"),
        ({"nulls": "[1]"}, "/nulls", "wrong_type"),
    ],
)
def test_wrong_options_are_named(client: FlaskClient, query: dict[str, str], pointer: str, code: str) -> None:
    answer = client.post(URL, data=b"x\n1\n", content_type=CSV, query_string=query)
    assert [(each["pointer"], each["code"]) for each in problem_of(answer, 422)["errors"]] == [
        (pointer, code)
    ]


def test_a_thousand_columns_are_read(client: FlaskClient, tmp_path: Path) -> None:
    names = ";".join(f"c{i}" for i in range(1_500))
    cells = ";".join("1,5" for _ in range(1_500))
    answer = client.post(URL, data=f"{names}\n{cells}\n".encode(), content_type=CSV)
    assert len(json_of(answer)["columns"]) == 1_500
