"""Binary bodies, chosen members and warnings of predictions."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import polars
import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import Post

URL = "/api/v1/models/moons/predictions"
ROWS = np.array([[0.5, -0.2], [-0.9, 0.9], [1.5, 0.1]])
ARROW = "application/vnd.apache.arrow.stream"
RAW = "application/octet-stream"

Send = Callable[..., Any]


def npy(matrix: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


def arrow(columns: dict[str, Any], *, stream: bool = True) -> bytes:
    file, table = io.BytesIO(), polars.DataFrame(columns)
    table.write_ipc_stream(file) if stream else table.write_ipc(file)
    return file.getvalue()


@pytest.fixture
def send(client: FlaskClient, trained: dict[str, Any]) -> Send:
    """Posts a body to the model of the moons."""
    return lambda data, kind=RAW, query="", **headers: client.post(
        URL + query, data=data, content_type=kind, headers=headers
    )


def test_binary_bodies_give_what_json_gives(client: FlaskClient, send: Send) -> None:
    wanted = json_of(client.post(URL, json={"instances": ROWS.tolist()}))
    columns = {"x2": ROWS[:, 1], "x1": ROWS[:, 0]}
    for data, kind in [
        (ROWS.tobytes(), RAW),
        (npy(ROWS), RAW),
        (npy(ROWS), "application/x-npy"),
        (npy(np.asfortranarray(ROWS)), "application/x-npy"),
        (npy(ROWS.astype(">f8")), "application/x-npy"),
        (arrow(columns), ARROW),
        (arrow(columns, stream=False), "application/vnd.apache.arrow.file"),
    ]:
        assert json_of(send(data, kind)) == wanted


def test_who_accepts_bytes_gets_bare_numbers(client: FlaskClient, send: Send) -> None:
    answer = send(ROWS.tobytes(), Accept=RAW)
    assert (answer.mimetype, answer.headers["Gradhouse-Shape"]) == (RAW, "3,1")
    scores = np.frombuffer(answer.data, dtype="<f8").tolist()
    assert [[score] for score in scores] == [
        each["scores"] for each in json_of(send(ROWS.tobytes()))["predictions"]
    ]
    problem_of(send(ROWS.tobytes(), query="?return=probabilities", Accept=RAW), 406, "not_acceptable")
    problem_of(send(ROWS.tobytes(), query="?return=scores,value", Accept=RAW), 406, "not_acceptable")


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (b"", RAW, "wrong_count"),
        (b"1234567", RAW, "wrong_count"),
        (b"\x00" * 24, RAW, "wrong_count"),
        (b"\x00" * 16 * 1_001, RAW, "out_of_range"),
        (b"\x93NUMPY", RAW, "not_npy"),
        (npy(ROWS)[:-8], RAW, "not_npy"),
        (npy(ROWS).replace(b"(3, 2)", b"(9, 9)"), RAW, "not_npy"),
        (npy(ROWS).replace(b"(3, 2)", b"(-3,2)"), RAW, "not_npy"),
        (npy(np.zeros(4)), RAW, "not_npy"),
        (npy(np.zeros((0, 2))), RAW, "not_npy"),
        (npy(np.array([["a", "b"]])), RAW, "not_npy"),
        (npy(np.ones((2, 3))), RAW, "wrong_count"),
        (b"ARROW1 and more", ARROW, "not_arrow"),
        (b"", ARROW, "not_arrow"),
        (arrow({"x1": [], "x2": []}), ARROW, "out_of_range"),
    ],
)
def test_a_binary_body_that_lies_is_refused(send: Send, data: bytes, kind: str, code: str) -> None:
    assert set(errors_of(send(data, kind)).values()) == {code}


def test_an_object_in_a_npy_file_is_never_loaded(send: Send) -> None:
    file = io.BytesIO()
    np.save(file, np.array([[{}, {}]], dtype=object), allow_pickle=True)
    assert errors_of(send(file.getvalue())) == {"": "not_npy"}


def test_wrong_cells_of_binary_bodies_are_named(send: Send) -> None:
    bad = np.array([[0.0, np.inf], [1.0, 1.0], [-np.inf, 0.0]])
    assert errors_of(send(bad.tobytes())) == {"/0/1": "wrong_type", "/2/0": "wrong_type"}
    cells = {"x1": [0.5, 0.1], "x2": ["a", "b"]}
    assert errors_of(send(arrow(cells), ARROW)) == {"/x2/0": "wrong_type", "/x2/1": "wrong_type"}
    assert errors_of(send(arrow({"x1": [1.0], "y": [1.0]}), ARROW)) == {
        "/y": "unknown_field",
        "/x2": "missing_field",
    }
    problem_of(send(b"x", "text/csv"), 415, "unsupported_media_type")


def test_wrong_cells_of_columns_are_named(client: FlaskClient, trained: dict[str, Any]) -> None:
    def errors(columns: Any) -> Any:
        return errors_of(client.post(URL, json={"columns": columns}))

    assert errors({"x1": [1, 2], "x2": [1, True]}) == {"/columns/x2/1": "wrong_type"}
    assert errors({"x1": [1], "x_2": [1]}) == {
        "/columns/x_2": "unknown_field",
        "/columns/x2": "missing_field",
    }
    assert errors({"x1": [], "x2": []}) == {"/columns": "out_of_range"}


def test_only_the_members_that_are_wanted_come(client: FlaskClient, trained: dict[str, Any]) -> None:
    def members(query: str) -> Any:
        answer = client.post(f"{URL}?{query}", json={"instances": [[0.5, 99.0]]})
        return set(json_of(answer)["predictions"][0])

    assert members("return=label") == {"label"}
    assert members("return=scores,label") == members("return=scores&return=label") == {"scores", "label"}
    assert members("return=warnings,value") == {"warnings"}
    assert client.get(f"{URL}?x1=0&x2=0&return=label").json["predictions"] == [{"label": 1}]  # type: ignore[index]
    refused = {"return=lable": "/return", "retrun=label": "/retrun", "return=value": "/return"}
    for query, pointer in refused.items():
        assert set(errors_of(client.post(f"{URL}?{query}", json={"instances": [[0, 0]]}))) == {pointer}


def test_an_input_beyond_the_training_data_brings_a_warning(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    answers = json_of(client.post(URL, json={"instances": [[0.5, 0.5], [99, -77]]}))["predictions"]
    assert "warnings" not in answers[0]
    assert [warning.split(" is ")[0] for warning in answers[1]["warnings"]] == ['"x1"', '"x2"']
    assert answers[1]["warnings"][0].startswith('"x1" is 99, outside the -')


def test_probabilities_come_as_bare_numbers_too(
    client: FlaskClient, post_job: Post, train: Callable[[], None]
) -> None:
    post_job(loss="binary_cross_entropy", model={"name": "sure", "hidden_layers": [4]})
    train()
    url = "/api/v1/models/sure/predictions"
    answer = client.post(url, data=ROWS.tobytes(), content_type=RAW, headers={"Accept": RAW})
    assert answer.headers["Gradhouse-Shape"] == "3,2"
    rows = np.frombuffer(answer.data).reshape(3, 2)
    named = [
        each["probabilities"]
        for each in json_of(client.post(url, json={"instances": ROWS.tolist()}))["predictions"]
    ]
    assert [list(each.values()) for each in named] == rows.tolist()
