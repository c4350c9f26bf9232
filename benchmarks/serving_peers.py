"""The servers that predictions are compared with: WSGI factories; MODEL_DIR names what was trained."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import marshmallow
import numpy as np
import onnxruntime
import orjson
from flask import Flask, Response, request


def trivial() -> Flask:
    """A route that reads its body and answers a constant: what the framework and the server cost alone."""
    app = Flask("trivial")
    answer = orjson.dumps({"predictions": [{"label": 1, "probabilities": {"0": 0.25, "1": 0.75}}]})

    @app.post("/predict")
    def predict() -> Response:
        orjson.loads(request.get_data(cache=False))
        return Response(answer, mimetype="application/json")

    return app


def sklearn() -> Flask:
    """scikit-learn's network behind a bare Flask route, as one writes it."""
    app = Flask("sklearn")
    model = pickle.loads((_folder() / "sklearn.pickle").read_bytes())

    @app.post("/predict")
    def predict() -> Any:
        rows = np.array(request.get_json()["instances"])
        found = model.predict_proba(rows)
        return {"predictions": [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in found]}

    return app


def onnx() -> Flask:
    """Our own export in onnxruntime behind a minimal route."""
    app = Flask("onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(_folder() / "model.onnx"), options)

    @app.post("/predict")
    def predict() -> Response:
        rows = np.array(orjson.loads(request.get_data(cache=False))["instances"], dtype=np.float64)
        names = ("label", "probabilities", "scores")
        found = dict(zip(names, session.run(names, {"input": rows}), strict=True))
        body = {name: cells.tolist() for name, cells in found.items()}
        return Response(orjson.dumps(body), mimetype="application/json")

    return app


class _Body(marshmallow.Schema):
    instances = marshmallow.fields.List(
        marshmallow.fields.List(marshmallow.fields.Float(allow_nan=False)), required=True
    )


def nested_lists() -> Flask:
    """A body read by marshmallow's nested lists, and nothing predicted."""
    app = Flask("nested_lists")
    schema = _Body()

    @app.post("/predict")
    def predict() -> Response:
        rows = schema.load(orjson.loads(request.get_data(cache=False)))["instances"]
        return Response(orjson.dumps({"rows": len(np.array(rows))}), mimetype="application/json")

    return app


def _folder() -> Path:
    return Path(os.environ["MODEL_DIR"])
