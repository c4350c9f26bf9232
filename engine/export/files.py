"""The forms that come back in: JSON and safetensors, both whole, both checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.data.fitting.preprocessing import Encoding
from engine.errors import BadData, BadModel, BadSpec, EngineError, Problem
from engine.export.portable import Portable
from engine.models.model import FORMAT, TrainedModel
from engine.models.safetensors_header import safetensors_metadata
from engine.spec.sections import Limits, TrainingSpec

KIND = "gradhouse-model"
TOLERANCE = 1e-9


def write_json(portable: Portable) -> bytes:
    """The model as one JSON document; `digest` is the SHA-256 of all else as JSON with sorted keys."""
    model = portable.model
    document = {
        "kind": KIND,
        "format": FORMAT,
        "spec": model.spec.to_document(),
        "encoding": model.encoding.to_document(),
        "layers": model.layers_document(),
        "classes": portable.class_names,
        "sha256": model.sha256,
        "self_test": portable.self_test.to_document(),
    }
    return orjson.dumps({**document, "digest": digest(document)}, option=orjson.OPT_INDENT_2)


def write_safetensors(portable: Portable) -> bytes:
    """The model as a safetensors file: `layers.0.weights` and so on; all else in its metadata, as JSON."""
    data = portable.model.to_bytes()
    facts = orjson.loads(safetensors_metadata(data)["gradhouse"])
    facts |= {"classes": portable.class_names, "self_test": portable.self_test.to_document()}
    # One member only: the library writes several in no fixed order.
    return save(load(data), metadata={"gradhouse": orjson.dumps({**facts, "digest": digest(facts)}).decode()})


def digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a document as JSON with sorted keys."""
    return sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_json(data: bytes, limits: Limits) -> TrainedModel:
    """The model of a JSON export; raises BadData for one that was altered or lies about itself."""
    try:
        document = orjson.loads(data)
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        given = document.pop("digest")
        if document["kind"] != KIND or document["format"] != FORMAT:
            raise ValueError(f"kind and format must be {KIND} and {FORMAT}")
        if given != digest(document):
            raise ValueError("it was altered: its digest is not that of its content")
        spec = TrainingSpec.from_document(document["spec"])
        encoding = Encoding.from_document(document["encoding"])
        parts = [
            np.array(layer[part], dtype=np.float64)
            for layer in document["layers"]
            for part in ("weights", "biases")
        ]
        flat = np.concatenate([part.ravel() for part in parts])
        model = TrainedModel(spec, encoding, flat)
        shapes = [shape for each in model.layers for shape in ((each.units, each.inputs), (each.units,))]
        if [part.shape for part in parts] != shapes or model.sha256 != document["sha256"]:
            raise ValueError("its layers do not have the shapes, or the digest, that it says")
        return _proven(model, document["self_test"], limits)
    except _FAULTS as error:
        raise _refused(error) from None


def read_safetensors(data: bytes, limits: Limits) -> TrainedModel:
    """The model of a safetensors export; raises BadData for one that was altered or lies about itself."""
    try:
        facts = orjson.loads(safetensors_metadata(data)["gradhouse"])
        given = facts.pop("digest")
        if given != digest(facts):
            raise ValueError("it was altered: its digest is not that of its metadata")
        return _proven(TrainedModel.from_bytes(data), facts["self_test"], limits)
    except _FAULTS as error:
        raise _refused(error) from None


_FAULTS = (
    SafetensorError,
    BadSpec,
    BadModel,
    BadData,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    ZeroDivisionError,
    RecursionError,
    UnicodeDecodeError,
)


def _refused(error: Exception) -> EngineError:
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    detail = f"this is no model that gradhouse has exported, or it was damaged: {reason[:300]}"
    return BadData([Problem("", "bad_model", detail, "Export the model again.")])


def _proven(model: TrainedModel, test: Mapping[str, Any], limits: Limits) -> TrainedModel:
    """The model, if every part of it makes sense and it gives its own self-test's scores."""
    if model.parameter_count > limits.max_parameters:
        raise ValueError(
            f"it has {model.parameter_count} parameters, at most {limits.max_parameters} may come"
        )
    if not np.isfinite(model.parameters).all():
        raise ValueError("a parameter is not a finite number")
    _check_encoding(model)
    found = Portable(model).self_test
    scores = [float(score) for score in test["scores"]]
    again = np.asarray(model.predict([test["instance"]])[0].get("scores", scores), dtype=np.float64)
    close = np.allclose(found.scores, scores, rtol=TOLERANCE, atol=TOLERANCE)
    if found.instance != test["instance"] or not (close and np.allclose(again, scores, TOLERANCE, TOLERANCE)):
        raise ValueError("its self-test row does not give the scores that it says")
    return model


def _check_encoding(model: TrainedModel) -> None:
    encoding = model.encoding
    names = [each.name for each in encoding.inputs]
    if not names or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError("its inputs' names are not different texts")
    for each in encoding.inputs:
        numbers = [
            each.offset,
            each.scale,
            *(x for x in (each.fill, each.lowest, each.highest) if x is not None),
        ]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise ValueError(f"a number of input {each.name} is not finite")
        if each.type not in ("number", "boolean", "category") or not each.scale:
            raise ValueError(f"the type or scale of input {each.name} cannot be")
        if not all(isinstance(category, str) for category in each.categories + each.rare):
            raise ValueError(f"a category of input {each.name} is no text")
        if not all(isinstance(flag, bool) for flag in (each.indicator, each.ignore_unknown)):
            raise ValueError(f"a flag of input {each.name} is neither true nor false")
    target = encoding.target
    if not all(
        type(number) in (int, float) and math.isfinite(number) for number in (target.offset, target.scale)
    ):
        raise ValueError("the target's offset or scale is not finite")
    if (target.classes is None) != (model.spec.task == "regression"):
        raise ValueError("its classes do not fit its task")
    if model.spec.task == "binary" and len(target.classes or ()) != 2:
        raise ValueError("a binary model has two classes")
