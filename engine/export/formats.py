"""The forms of export by name: media type, file name's end, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.export.files import write_json, write_safetensors
from engine.export.onnx.model import write_onnx
from engine.export.portable import Portable
from engine.export.source.c import write_c
from engine.export.source.javascript import write_javascript
from engine.export.source.python import write_python
from engine.export.source.sql import write_sql
from engine.models.model import TrainedModel
from engine.registry import Registry


@dataclass(frozen=True, slots=True)
class Form:
    """One form of export."""

    media_type: str
    suffix: str
    write: Callable[[Portable], str | bytes]


FORMS: Registry[Form] = Registry("format")
FORMS.add("onnx", Form("application/octet-stream", ".onnx", write_onnx))
FORMS.add("safetensors", Form("application/octet-stream", ".safetensors", write_safetensors))
FORMS.add("json", Form("application/json", ".json", write_json))
FORMS.add("python", Form("text/x-python", ".py", write_python))
FORMS.add("c", Form("text/x-c", ".c", write_c))
FORMS.add("javascript", Form("text/javascript", ".js", write_javascript))
FORMS.add("sql", Form("application/sql", ".sql", write_sql))


def export(model: TrainedModel, name: str) -> bytes:
    """The model in the form called `name`."""
    written = FORMS.get(name).write(Portable(model))
    return written.encode() if isinstance(written, str) else written
