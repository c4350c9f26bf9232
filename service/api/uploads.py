"""What is uploaded: a file, JSON or a sample becomes a table, and every problem of it one answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from io import SEEK_END
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from flask import request

from engine.data.reading.formats import MEDIA_TYPES, read_table, table_from_records, table_from_rows
from engine.data.reading.options import Reading
from engine.data.samples import SAMPLES, make_sample
from engine.data.table import Table
from engine.errors import EngineError, Problem
from service.api.parts import running
from service.api.reading_options import TYPES, parsed_options, read_options, reading_of
from service.decoding.decoder import DECODED_ELSEWHERE
from service.errors import ServiceError, invalid
from service.web.bodies import (
    JSON_MEDIA_TYPE,
    body_file,
    json_body,
    require_length,
    require_media_type,
)
from service.web.schemas import Array, Object, Schema, Text, load

FORM_MEDIA_TYPE = "multipart/form-data"
MEDIA_TYPE_OF_SUFFIX = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".txt": "text/csv",
    ".json": JSON_MEDIA_TYPE,
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream",
}


class DatasetBody(Schema):
    """A dataset as JSON: a sample, records, or columns and rows."""

    name = Text()
    columns = Array(metadata={"items": {"type": "string"}})
    rows = Array(metadata={"items": {"type": "array", "items": {}}})
    records = Array(metadata={"items": {"type": "object"}})
    sample = Text(metadata={"enum": list(SAMPLES.names())})
    options = Object()
    types = Object(
        metadata={
            "additionalProperties": {"enum": list(TYPES)},
            "description": "Columns' types where you decide.",
        }
    )
    nulls = Array(
        metadata={
            "items": {"type": "string"},
            "description": "The texts that mean a missing cell, instead of the usual ones.",
        }
    )


class UploadQuery(Schema):
    """What a raw body cannot say itself."""

    name = Text(metadata={"description": "The dataset's name, where the body is the bare data."})
    types = Text(most=30_000, metadata={"description": 'As JSON: {"zip": "category"}.'})
    nulls = Text(most=10_000, metadata={"description": 'As JSON: ["", "NA", "-99"].'})


@dataclass(frozen=True, slots=True)
class LargeUpload:
    """A file that a worker is to validate: stored as it came, and how it is to be read."""

    name: str | None
    sha256: str
    size: int
    reading: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that was sent and understood, what it is to be called, and the digest of its file."""

    name: str | None
    table: Table
    source_sha256: str | None = None


_ONE_SOURCE: dict[str, Any] = {
    "oneOf": [
        {"required": ["sample"], "not": {"required": ["columns"]}},
        {"required": ["records"], "not": {"anyOf": [{"required": ["columns"]}, {"required": ["options"]}]}},
        {"required": ["columns", "rows"], "not": {"required": ["options"]}},
    ]
}
_file_form = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        **{each: {"type": "string"} for each in ("name", "types", "nulls")},
    },
}
REQUEST_BODY = {
    "required": True,
    "content": {
        JSON_MEDIA_TYPE: {"schema": {"allOf": [DatasetBody(), _ONE_SOURCE]}, "example": {"sample": "moons"}},
        FORM_MEDIA_TYPE: {"schema": _file_form},
        **{kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES if kind != JSON_MEDIA_TYPE},
    },
}


def read_upload(query: Mapping[str, str]) -> Upload:
    """The table in the request's body, whichever way it came. Raises ServiceError or EngineError."""
    return cast("Upload", receive_upload(query, keep_large=False))


def receive_upload(query: Mapping[str, str], *, keep_large: bool) -> Upload | LargeUpload:
    """The table in the body, or of a large file what a worker needs to read it. Raises as above.

    Large are files of more than `inline_bytes`; without `keep_large` they are refused.
    """
    media_type = require_media_type(*MEDIA_TYPES, FORM_MEDIA_TYPE)
    if media_type == FORM_MEDIA_TYPE:
        return _from_form(query, keep_large=keep_large)
    if media_type == JSON_MEDIA_TYPE:
        return _from_json(json_body(), query)
    require_length()
    reading = read_options(query)
    with body_file() as file:
        return _received(query.get("name"), file, media_type, reading, keep_large=keep_large)


def _received(
    name: str | None, file: BinaryIO, media_type: str, reading: Reading, *, keep_large: bool
) -> Upload | LargeUpload:
    size, most = file.seek(0, SEEK_END), running().settings.inline_bytes
    file.seek(0)
    if size > most and not keep_large:
        detail = f"a preview reads at most {most:,} bytes (inline_bytes), the file has {size:,}"
        raise ServiceError("too_large", detail, hint="Preview its first rows, or upload it for a worker.")
    if size <= most:
        digest = file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        file.seek(0)
        read = running().decoder.read_table if media_type in DECODED_ELSEWHERE else read_table
        table = read(file, media_type, running().settings.data_bounds(), reading)
        return Upload(name, table, digest)
    how = {"media_type": media_type, "types": dict(reading.types), "nulls": sorted(reading.nulls)}
    return LargeUpload(name, running().storage.put_file(file), size, how)


def _from_form(query: Mapping[str, str], *, keep_large: bool) -> Upload | LargeUpload:
    form, problems = load(UploadQuery(), request.form.to_dict())
    problems += [
        Problem(f"/{part}", "unknown_field", f'{part} is unknown; the file\'s part is called "file"')
        for part in request.files
        if part != "file"
    ]
    file = request.files.get("file")
    if file is None:
        hint = "curl -F file=@data.csv sends one."
        problems.append(Problem("/file", "missing_field", "file is required: a part with the data", hint))
    if problems or file is None:
        raise invalid(problems)
    said = {**query, **form}
    path = PurePath((file.filename or "").replace("\\", "/"))
    media_type = MEDIA_TYPE_OF_SUFFIX.get(path.suffix.lower()) or _media_type_of(file.mimetype)
    name = said.get("name") or _printable(path.stem)
    stream = cast("BinaryIO", file.stream)
    return _received(name, stream, media_type, read_options(said), keep_large=keep_large)


def _media_type_of(given: str) -> str:
    if given in MEDIA_TYPES:
        return given
    fact = f"file is of the media type {given or 'of nothing'}, known are {', '.join(MEDIA_TYPES)}"
    raise invalid(
        [Problem("/file", "unknown_value", fact, "Give the file the suffix .csv, .json or .parquet.")]
    )


def _printable(stem: str) -> str | None:
    if stem == "-":
        return None  # what curl read from its input has no name
    return "".join(sign for sign in stem if sign.isprintable())[:255] or None


def _from_json(document: Any, query: Mapping[str, str]) -> Upload:
    body, problems = load(DatasetBody(), {"records": document} if isinstance(document, list) else document)
    source = _source(document, problems)
    reading = reading_of({**parsed_options(query, problems), **body}, problems)
    table = None
    try:
        table = _table_of(source, body, reading) if source in body else None
    except EngineError as error:
        problems += error.problems
    if problems or table is None:
        raise invalid(problems)
    return Upload(body.get("name") or query.get("name") or body.get("sample"), table)


def _source(document: Any, problems: list[Problem]) -> str | None:
    """Which of its three forms a JSON dataset has; says so in `problems` where it is none or several."""
    if not isinstance(document, dict):
        return "records" if isinstance(document, list) else None
    given = [form for form in ("sample", "records", "rows") if form in document]
    if len(given) != 1:
        detail = (
            f"a dataset is one of sample, records or columns and rows, got {' and '.join(given) or 'none'}"
        )
        problems.append(Problem("", "ambiguous_source", detail))
        return None
    for member, form in (("columns", "rows"), ("options", "sample")):
        if member in document and form not in given:
            problems.append(Problem(f"/{member}", "unknown_field", f"{member} goes with {form} only"))
    return given[0]


def _table_of(source: str | None, body: Mapping[str, Any], reading: Reading) -> Table:
    bounds = running().settings.data_bounds()
    if source == "sample":
        return make_sample(body["sample"], body.get("options", {}))
    if source == "records":
        return table_from_records(body["records"], bounds, reading)
    return table_from_rows(body.get("columns", ()), body["rows"], bounds, reading)
