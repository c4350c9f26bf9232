"""Models that come back: whole, and refused when altered or when they lie."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from safetensors.numpy import load, save

from engine.errors import BadData
from engine.export.files import digest, read_json, read_safetensors
from engine.export.formats import export
from engine.models.safetensors_header import safetensors_metadata
from engine.spec.sections import Limits
from tests.engine.export.cases import CASES, model_of, rows_of

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "how-to" / "take-a-model-away.md").read_text(encoding="utf-8")
OPTIONS = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")
LIMITS = Limits()
Document = dict[str, Any]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "read"), [("json", read_json), ("safetensors", read_safetensors)])
def test_a_model_comes_back_bit_for_bit(case: str, name: str, read: Callable[..., Any]) -> None:
    model = model_of(case)
    back = read(export(model, name), LIMITS)
    assert back.to_bytes() == model.to_bytes()
    assert back.predict(rows_of(case)) == model.predict(rows_of(case))


@pytest.mark.parametrize("case", CASES)
def test_every_member_of_the_json_form_is_documented(case: str) -> None:
    document = orjson.loads(export(model_of(case), "json"))
    encoding, spec = document.pop("encoding"), document.pop("spec")
    top, of_inputs = PAGE.split("An entry of `encoding.inputs` has the members")
    of_inputs, of_target = of_inputs.split("and `encoding.target` has")
    inner = {"encoding": encoding, "layers[]": document["layers"][0], "self_test": document["self_test"]}
    members = {*document, "spec"} - {"self_test"} | {f"{at}.{each}" for at in inner for each in inner[at]}
    assert not [name for name in members if f"`{name}`" not in top]
    assert not [name for each in encoding["inputs"] for name in each if f"`{name}`" not in of_inputs]
    assert not [name for name in encoding["target"] if f"`{name}`" not in of_target]
    assert not [name for name in spec if f"`{name}" not in OPTIONS]


def test_safetensors_load_with_the_library_alone() -> None:
    tensors = load(export(model_of("iris"), "safetensors"))
    first = model_of("iris").layers_document()[0]
    assert tensors["layers.0.weights"].tolist() == first["weights"]
    assert tensors["layers.0.biases"].tolist() == first["biases"]


def sealed(change: Callable[[Document], object]) -> bytes:
    """A JSON export that was changed and sealed again, as a careful forger would."""
    document = orjson.loads(export(model_of("mixed"), "json"))
    change(document)
    document.pop("digest")
    return orjson.dumps({**document, "digest": digest(document)})


def no_model(read: Callable[..., Any], data: bytes, limits: Limits = LIMITS) -> str:
    """What a refusal says."""
    with pytest.raises(BadData) as caught:
        read(data, limits)
    assert [problem.code for problem in caught.value.problems] == ["bad_model"]
    return str(caught.value)


def test_an_altered_export_is_refused() -> None:
    document = orjson.loads(export(model_of("mixed"), "json"))
    document["encoding"]["inputs"][0]["offset"] += 1.0
    assert "it was altered" in no_model(read_json, orjson.dumps(document))
    data = export(model_of("mixed"), "safetensors")
    facts = orjson.loads(safetensors_metadata(data)["gradhouse"])
    facts["encoding"]["inputs"][0]["offset"] += 1.0
    forged = save(load(data), metadata={"gradhouse": orjson.dumps(facts).decode()})
    assert "it was altered" in no_model(read_safetensors, forged)
    tensors = {**load(data), "layers.0.biases": load(data)["layers.0.biases"] + 1.0}
    forged = save(tensors, metadata=safetensors_metadata(data))
    assert "not those that were saved" in no_model(read_safetensors, forged)


def _offset(document: Document) -> None:
    document["encoding"]["inputs"][0]["offset"] += 1.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_offset, "self-test"),
        (lambda d: d["layers"][0]["weights"].pop(), "shapes"),
        (lambda d: d["layers"][0]["weights"][0].pop(), "inhomogeneous"),
        (lambda d: d["layers"].pop(), "shapes"),
        (lambda d: d["layers"].clear(), "need at least one array"),
        (lambda d: d["layers"][0].update(biases="many"), "could not convert"),
        (lambda d: d["layers"][0]["biases"].__setitem__(0, None), "digest"),
        (lambda d: d.update(kind="pickle"), "kind and format"),
        (lambda d: d.update(format=99), "kind and format"),
        (lambda d: d.pop("spec"), "'spec' is missing"),
        (lambda d: d["spec"].update(task="magic"), "task"),
        (lambda d: d["spec"]["model"].update(hidden_layers=[{"units": 10**9}]), "no model"),
        (lambda d: d["encoding"]["inputs"][0].update(scale=0.0), "scale"),
        (lambda d: d["encoding"]["inputs"][0].update(scale="big"), "finite"),
        (lambda d: d["encoding"]["inputs"][0].update(name=7), "names"),
        (lambda d: d["encoding"]["inputs"][2].update(categories=[1, 2, 3]), "no text"),
        (lambda d: d["encoding"]["inputs"][2].update(categories=["x"] * 10**5), "shapes"),
        (lambda d: d["encoding"]["target"].update(classes=["a", "b"]), "classes"),
        (lambda d: d["encoding"].update(inputs=[]), "no model"),
        (lambda d: d.update(self_test={}), "'scores' is missing"),
        (lambda d: d["self_test"]["scores"].append(1.0), "no model"),
        (lambda d: d["self_test"].update(instance=None), "no model"),
    ],
)
def test_an_export_that_lies_about_itself_is_refused(
    change: Callable[[Document], object], reason: str
) -> None:
    assert reason in no_model(read_json, sealed(change))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"digest": 1}',
        b"[" * 100_000,
        b"\x80\x04K\x01.",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        save({"x": np.zeros(3)}),
        save({"x": np.zeros(3)}, metadata={"gradhouse": "[" * 5_000}),
    ],
)
def test_bytes_that_are_no_export_are_refused(data: bytes) -> None:
    no_model(read_json, data)
    no_model(read_safetensors, data)


def test_what_is_no_export_at_all_is_told_so() -> None:
    assert "it is no JSON object" in no_model(read_json, b"[1]")
    assert "its header would end at byte 9223372036854775816, and it has 10" in no_model(
        read_safetensors, struct.pack("<Q", 2**63) + b"{}"
    )
    assert "its header is no JSON object" in no_model(read_safetensors, struct.pack("<Q", 2) + b"[]")


def test_a_model_larger_than_allowed_is_refused() -> None:
    limits = Limits(max_parameters=10)
    assert "at most 10 may come" in no_model(read_json, export(model_of("mixed"), "json"), limits)
