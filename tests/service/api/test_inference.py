"""The doors of other protocols: by hand, and by Triton's own client over real HTTP."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from flask import Flask
from flask.testing import FlaskClient
from tritonclient.utils import InferenceServerException
from werkzeug.serving import make_server

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import Post

ROWS = [[0.5, -0.2], [-0.9, 0.9], [1.5, 0.1]]
INFER = "/v2/models/moons/infer"
NATIVE = "/api/v1/models/moons/predictions"
PETS: dict[str, Any] = {
    "columns": ["weight", "kind", "tame", "price"],
    "rows": [[i % 7 + 0.5, "cat" if i % 3 else "dog", i % 2 == 0, 10.0 * (i % 7) + i % 5] for i in range(40)],
}


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application behind a real socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(address: str, trained: dict[str, Any]) -> Iterator[triton.InferenceServerClient]:
    """Triton's client, with the moons trained."""
    client = triton.InferenceServerClient(address)
    yield client
    client.close()


@pytest.fixture
def pets(client: FlaskClient, train: Callable[[], None]) -> str:
    """A regression over a number, a category and a boolean; its name."""
    dataset = json_of(client.post("/api/v1/datasets", json=PETS))["id"]
    body = {"dataset_id": dataset, "target": "price", "model": {"name": "pets", "hidden_layers": [4]}}
    assert client.post("/api/v1/jobs", json={**body, "training": {"epochs": 5}}).status_code == 202
    train()
    return "pets"


@pytest.fixture
def ask(client: FlaskClient, trained: dict[str, Any]) -> Callable[..., Any]:
    """Asks the moons for tensors."""
    return lambda *inputs, **more: client.post(INFER, json={"inputs": list(inputs), **more})


def matrix(rows: Any = ROWS, **changes: Any) -> dict[str, Any]:
    return {"name": "input", "datatype": "FP64", "shape": [len(rows), 2], "data": rows, **changes}


def native(client: FlaskClient) -> list[Any]:
    found: list[Any] = json_of(client.post(NATIVE, json={"instances": ROWS}))["predictions"]
    return found


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_predicts(client: FlaskClient, remote: Any, binary: bool) -> None:
    tensor = triton.InferInput("input", [3, 2], "FP64")
    tensor.set_data_from_numpy(np.array(ROWS), binary_data=binary)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("scores", "label")]
    answer = remote.infer("moons", [tensor], outputs=outputs, request_id="7")
    assert answer.as_numpy("scores").tolist() == [each["scores"] for each in native(client)]
    labels = [label.decode() if isinstance(label, bytes) else label for label in answer.as_numpy("label")]
    assert labels == [str(each["label"]) for each in native(client)]
    head = answer.get_response()
    assert (head["model_name"], head["model_version"], head["id"]) == ("moons", "1", "7")


def test_tritons_client_asks_about_server_and_models(remote: Any) -> None:
    assert remote.is_server_live()
    assert remote.is_server_ready()
    assert remote.is_model_ready("moons")
    assert remote.is_model_ready("moons", "1")
    assert not remote.is_model_ready("moons", "2")
    assert not remote.is_model_ready("suns")
    assert remote.get_server_metadata()["name"] == "gradhouse"
    assert remote.get_model_repository_index() == [
        {"name": "moons", "version": "1", "state": "READY", "reason": ""}
    ]
    described = remote.get_model_metadata("moons")
    assert described["versions"] == ["1"]
    assert described["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 2]}]
    assert [each["name"] for each in described["outputs"]] == ["scores", "label"]


def test_tritons_client_is_told_what_is_wrong(remote: Any) -> None:
    tensor = triton.InferInput("input", [1, 3], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 3)))
    with pytest.raises(InferenceServerException, match="the rows have 3 values, the model has 2 inputs"):
        remote.infer("moons", [tensor])
    with pytest.raises(InferenceServerException, match="there is no model suns"):
        remote.infer("suns", [tensor])


def test_tritons_client_sends_a_tensor_for_each_column(client: FlaskClient, address: str, pets: str) -> None:
    remote = triton.InferenceServerClient(address)
    kinds = {each["name"]: each["datatype"] for each in remote.get_model_metadata(pets)["inputs"]}
    assert kinds == {"weight": "FP64", "kind": "BYTES", "tame": "BOOL"}
    columns = {
        "weight": np.array([[1.5], [2.5]]),
        "kind": np.array([["cat"], ["dog"]], dtype=object),
        "tame": np.array([[True], [False]]),
    }
    tensors = []
    for name, cells in columns.items():
        tensors.append(triton.InferInput(name, [2, 1], kinds[name]))
        tensors[-1].set_data_from_numpy(cells)
    found = remote.infer(pets, tensors).as_numpy("value")
    remote.close()
    rows = [[1.5, "cat", True], [2.5, "dog", False]]
    wanted = json_of(client.post("/api/v1/models/pets/predictions", json={"instances": rows}))["predictions"]
    assert found.tolist() == [[each["value"]] for each in wanted]


def test_tensors_may_be_flat_nested_and_of_any_number_type(ask: Callable[..., Any]) -> None:
    wanted = ask(matrix()).json
    flat = [cell for row in ROWS for cell in row]
    columns = [
        {"name": name, "datatype": "FP64", "shape": [3], "data": [row[i] for row in ROWS]}
        for i, name in enumerate(("x1", "x2"))
    ]
    assert ask(matrix(data=flat)).json == wanted
    assert ask(*columns).json == wanted
    assert ask(matrix([[1, 0]], datatype="INT32")).json == ask(matrix([[1.0, 0.0]])).json
    assert [each["shape"] for each in wanted["outputs"]] == [[3, 1], [3]]


def test_only_the_outputs_that_are_wanted_come(ask: Callable[..., Any]) -> None:
    answer = ask(matrix(), outputs=[{"name": "label"}], id="x").json
    assert ([each["name"] for each in answer["outputs"]], answer["id"]) == (["label"], "x")
    assert errors_of(ask(matrix(), outputs=[{"name": "labels"}])) == {"/outputs": "unknown_value"}


def test_all_outputs_come_in_binary_when_asked_so(client: FlaskClient, ask: Callable[..., Any]) -> None:
    answer = ask(matrix(), parameters={"binary_data_output": True})
    head = int(answer.headers["Inference-Header-Content-Length"])
    scores = np.frombuffer(answer.data[head : head + 24], dtype="<f8").tolist()
    assert scores == [each["scores"][0] for each in native(client)]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": 1}, "/inputs/0/name"),
        ({"datatype": "FP128"}, "/inputs/0/datatype"),
        ({"shape": [3, -2]}, "/inputs/0/shape"),
        ({"shape": [3, 3]}, "/inputs/0/shape"),
        ({"shape": [2**39, 2**39]}, "/inputs/0/shape"),
        ({"shape": "3"}, "/inputs/0/shape"),
        ({"shape": [6]}, "/inputs/0/shape"),
        ({"data": None}, "/inputs/0/data"),
        ({"data": [[True, 1]] * 3}, "/inputs/0/data"),
        ({"data": [["a", "b"]] * 3}, "/inputs/0/data"),
        ({"data": [[1], 2]}, "/inputs/0/data"),
        ({"name": "inputs"}, "/inputs/0/name"),
        ({"name": "unknown", "shape": [6]}, "/inputs/0/name"),
        ({"parameters": {"binary_data_size": 48}}, "/inputs/0/parameters/binary_data_size"),
        ({"parameters": {"binary_data_size": -1}}, "/inputs/0/parameters/binary_data_size"),
    ],
)
def test_a_wrong_tensor_is_named(ask: Callable[..., Any], change: dict[str, Any], pointer: str) -> None:
    answer = ask(matrix(**change))
    assert pointer in errors_of(answer)
    assert answer.json["error"] == answer.json["detail"]


def test_a_wrong_tensor_is_told_what_would_be_right(ask: Callable[..., Any]) -> None:
    for change, said in (
        (
            {"name": "inputs"},
            'no input "inputs"; it has input of shape [rows, 2], or one tensor for each of x1, x2',
        ),
        ({"shape": [2**41, 1]}, "shape must be an array of 1 to 8 sizes between 0 and 1099511627776"),
        ({"parameters": {"binary_data_size": -1}}, "binary_data_size must lie between 0 and the 0 bytes"),
    ):
        assert said in ask(matrix(**change)).json["detail"]


def test_a_binary_body_that_lies_is_refused(client: FlaskClient, trained: dict[str, Any]) -> None:
    def post(data: bytes, length: str) -> Any:
        return client.post(INFER, data=data, headers={"Inference-Header-Content-Length": length})

    head = (
        b'{"inputs":[{"name":"input","datatype":"FP64","shape":[1,2],"parameters":{"binary_data_size":16}}]}'
    )
    good = head + np.array([0.5, 0.5]).tobytes()
    assert post(good, str(len(head))).status_code == 200
    problem_of(post(good, "-1"), 400, "bad_request")
    problem_of(post(good, str(2**40)), 400, "bad_request")
    problem_of(post(good, str(len(head) - 1)), 400, "not_json")
    assert errors_of(post(good + b"x", str(len(head)))) == {"": "wrong_count"}
    assert errors_of(post(good[:-1], str(len(head)))) == {
        "/inputs/0/parameters/binary_data_size": "wrong_type"
    }
    text = head.replace(b"FP64", b"BYTES")
    assert errors_of(post(text + b"\xff" * 16, str(len(text)))) == {"/inputs/0": "wrong_count"}
    infinite = head + np.array([np.inf, 0.5]).tobytes()
    assert errors_of(post(infinite, str(len(head)))) == {"/0/0": "wrong_type"}


def test_kserves_first_protocol_predicts_and_explains(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert client.get("/v1/models/moons").json == {"name": "moons", "ready": True}
    answer = client.post("/v1/models/moons:predict", json={"instances": ROWS})
    assert answer.json == {"predictions": native(client)}
    explained = json_of(client.post("/v1/models/moons:explain", json={"instances": ROWS}))["explanations"]
    assert [each["value"] for each in explained] == pytest.approx(
        [each["scores"][0] for each in native(client)], rel=1e-12
    )
    assert all(each["gradients"].keys() == {"x1", "x2"} for each in explained)
    refused = problem_of(client.post("/v1/models/suns:predict", json={"instances": ROWS}), 404, "not_found")
    assert refused["error"] == refused["detail"]


def test_a_model_in_training_is_not_ready(client: FlaskClient, post_job: Post) -> None:
    post_job()
    answer = client.get("/v2/models/moons/ready")
    assert "error" in problem_of(answer, 503, "model_not_ready")
    assert answer.headers["Retry-After"]
