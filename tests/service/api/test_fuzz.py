"""Files and tensors that were damaged at random: each gets an answer, never a 500, and nothing grows.

The damage is drawn from a seed, so that what fails here fails again; the long run is slow.
"""

import gzip
import io
import os
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from backports import zstd
from flask.testing import FlaskClient

FRAME = pl.DataFrame({"x": [0.5, 1.5, 2.5] * 20, "y": ["a", "b", None] * 20, "z": [True, False, True] * 20})
PREVIEW = "/api/v1/datasets:preview"
# Of a form that breaks off half-way, Werkzeug leaves the part that it was reading to the garbage collector.
LEFT_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
GROWTH_KIB = 400_000  # what the process may take beside what it has: the readers' own threads and buffers
PATHS = (os.sep + "tmp", os.sep + "home", ".py")
EDGES = (
    b"\x00",
    b"\xff",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\x00" * 8,
    b"\x80" * 5,
    b"\n",
    b'"',
)


@dataclass(frozen=True)
class Target:
    """A body that is right, and where it goes."""

    url: str
    body: bytes
    headers: dict[str, str]


def written(how: Callable[[pl.DataFrame, io.BytesIO], Any]) -> bytes:
    """The frame as a file."""
    buffer = io.BytesIO()
    how(FRAME, buffer)
    return buffer.getvalue()


def file(media_type: str, body: bytes, **headers: str) -> Target:
    """An upload that is only looked at."""
    return Target(PREVIEW, body, {"Content-Type": media_type, **headers})


CSV = FRAME.write_csv().encode()
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n' + CSV + b"\r\n--b--\r\n"
)
FILES: dict[str, Callable[[], Target]] = {
    "CSV": lambda: file("text/csv", CSV),
    "NDJSON": lambda: file("application/x-ndjson", FRAME.write_ndjson().encode()),
    "JSON": lambda: file("application/json", orjson.dumps({"records": FRAME.to_dicts()})),
    "Parquet": lambda: file("application/vnd.apache.parquet", written(lambda f, b: f.write_parquet(b))),
    "plain Parquet": lambda: file(
        "application/vnd.apache.parquet",
        written(lambda f, b: f.write_parquet(b, compression="uncompressed")),
    ),
    "Arrow": lambda: file("application/vnd.apache.arrow.file", written(lambda f, b: f.write_ipc(b))),
    "packed Arrow": lambda: file(
        "application/vnd.apache.arrow.file", written(lambda f, b: f.write_ipc(b, compression="zstd"))
    ),
    "Arrow stream": lambda: file(
        "application/vnd.apache.arrow.stream", written(lambda f, b: f.write_ipc_stream(b))
    ),
    "gzip": lambda: file("text/csv", gzip.compress(CSV, mtime=0), **{"Content-Encoding": "gzip"}),
    "zstd": lambda: file("text/csv", zstd.compress(CSV), **{"Content-Encoding": "zstd"}),
    "form": lambda: file("multipart/form-data; boundary=b", FORM),
}


def damaged(body: bytes, draw: random.Random) -> bytes:
    """The body with one to four places of it changed."""
    data = bytearray(body)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                edge = draw.choice(EDGES)
                data[at : at + len(edge)] = edge
            case 2:
                del data[at : at + draw.choice((1, 4, 100))]
            case 3:
                data[at:at] = data[max(0, at - draw.choice((1, 8, 64))) : at] * draw.choice((1, 2, 50))
            case 4:
                data[at:at] = draw.randbytes(draw.choice((1, 4, 32)))
            case _ if draw.random() < 0.2:
                del data[at:]
    return bytes(data)


def assert_holds(client: FlaskClient, target: Target, seeds: range) -> None:
    """Sends the damaged bodies of these seeds; each gets an answer that is no fault of ours."""
    sound = client.post(target.url, data=target.body, headers=target.headers)
    assert sound.status_code < 300, sound.text
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in seeds:
        body = damaged(target.body, random.Random(seed))
        answer = client.post(target.url, data=body, headers=target.headers)
        assert answer.status_code < 500, f"seed {seed}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json", f"seed {seed}: {answer.text}"
            assert not any(each in answer.text for each in ("Traceback", *PATHS)), (
                f"seed {seed}: {answer.text}"
            )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < GROWTH_KIB


def rows_as(kind: str, body: bytes) -> Target:
    """Rows to predict in one of Arrow's forms."""
    headers = {"Content-Type": f"application/vnd.apache.{kind}"}
    return Target("/api/v1/models/moons/predictions", body, headers)


@pytest.fixture
def doors(client: FlaskClient, trained: dict[str, Any]) -> dict[str, Target]:
    """Bodies that a trained model takes, and those that it goes away and comes back in."""
    assert trained["done"]
    row = np.array([[0.5, -0.2]])
    head = orjson.dumps(
        {
            "id": "1",
            "inputs": [
                {
                    "name": "input",
                    "shape": [1, 2],
                    "datatype": "FP64",
                    "parameters": {"binary_data_size": row.nbytes},
                }
            ],
            "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
        }
    )
    plain = orjson.dumps({"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]})
    rows = orjson.dumps({"instances": row.tolist()})
    here, json = "/api/v1/models/moons", {"Content-Type": "application/json"}
    table, npy = pl.DataFrame({"x1": [0.5, 1.5], "x2": [-0.2, 0.1]}), io.BytesIO()
    np.save(npy, row)
    exported = {kind: client.get(f"{here}/export?format={kind}").data for kind in ("safetensors", "json")}
    return {
        "binary tensors": Target(
            "/v2/models/moons/infer",
            head + row.tobytes(),
            {"Inference-Header-Content-Length": str(len(head))},
        ),
        "tensors": Target("/v2/models/moons/infer", plain, json),
        "predictions": Target(f"{here}/predictions", rows, json),
        "Arrow rows": rows_as("arrow.stream", written(lambda _, b: table.write_ipc_stream(b))),
        "packed Arrow rows": rows_as(
            "arrow.file", written(lambda _, b: table.write_ipc(b, compression="lz4"))
        ),
        "NumPy rows": Target(f"{here}/predictions", npy.getvalue(), {"Content-Type": "application/x-npy"}),
        "gradients": Target(f"{here}/gradients", rows, json),
        "KServe V1": Target("/v1/models/moons:predict", rows, json),
        "safetensors": Target(
            "/api/v1/models", exported["safetensors"], {"Content-Type": "application/octet-stream"}
        ),
        "exported JSON": Target("/api/v1/models", exported["json"], json),
    }


DOORS = (
    "binary tensors",
    "tensors",
    "predictions",
    "Arrow rows",
    "packed Arrow rows",
    "NumPy rows",
    "gradients",
    "KServe V1",
    "safetensors",
    "exported JSON",
)
UPLOADS = [pytest.param(name, marks=LEFT_OPEN if name == "form" else ()) for name in FILES]
SHORT, LONG = range(60), range(1_000, 9_000)
FORKING = frozenset({"Parquet", "plain Parquet", "Arrow", "packed Arrow", "Arrow stream"})
"""Files that are decoded in a child each, which takes some 50 ms: fewer of them are drawn."""


@pytest.mark.parametrize("name", UPLOADS)
def test_damaged_files_are_answered(client: FlaskClient, name: str) -> None:
    assert_holds(client, FILES[name](), SHORT[::4] if name in FORKING else SHORT)


@pytest.mark.parametrize("name", DOORS)
def test_damaged_bodies_to_models_are_answered(
    client: FlaskClient, doors: dict[str, Target], name: str
) -> None:
    assert_holds(client, doors[name], SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", UPLOADS)
def test_many_damaged_files_are_answered(client: FlaskClient, name: str) -> None:
    assert_holds(client, FILES[name](), LONG[:1_000] if name in FORKING else LONG)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_many_damaged_bodies_to_models_are_answered(
    client: FlaskClient, doors: dict[str, Target], name: str
) -> None:
    assert_holds(client, doors[name], LONG)


def test_a_tensor_request_nested_deep_is_answered(client: FlaskClient, doors: dict[str, Target]) -> None:
    deep = b"[" * 1000 + b"]" * 1000
    for member in ("id", "parameters", "outputs", "inputs"):
        body = doors["tensors"].body[:-1] + b',"' + member.encode() + b'":' + deep + b"}"
        answer = client.post(doors["tensors"].url, data=body, headers=doors["tensors"].headers)
        assert answer.status_code < 500, f"{member}: {answer.text}"
