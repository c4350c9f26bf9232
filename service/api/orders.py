"""What a client orders: the body of a job, its training spec and its envelope, checked together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import orjson

from engine.data.profile import Profile
from engine.errors import BadSpec, Problem
from engine.spec import TrainingSpec, parse_spec, spec_schema
from engine.spec.roles import validation_problems
from engine.training.memory import memory_problems
from engine.training.warm_start import start_problems
from service.api.parts import owner, running
from service.api.webhooks import WEBHOOK_SCHEMA, read_webhook
from service.errors import ServiceError, invalid
from service.tables import queue
from service.tables.base import Transaction
from service.tables.datasets import Dataset
from service.tables.jobs import Job, Priority
from service.tables.outlook import MARGIN
from service.web.schemas import VISIBLE, Object, Schema, Text, load, shown

PRIORITIES = tuple(priority.name.lower() for priority in Priority)
MAX_METADATA_BYTES = 16_384
MODEL_NAME = VISIBLE.replace("^[^", "^(?!mdl_)(?![. ]*$)[^/@", 1)  # see name_problems
QUEUE_SHARE = 0.01  # of a full queue that is to be worked off before another try is worth it

FindDataset = Callable[[str], Dataset | None]

# What a spec's problems are called that only a look at the data can find.
_FOUND_IN_DATA = frozenset({"unknown_column", "no_features", "wrong_target", "wrong_task"})


class Envelope(Schema):
    """What a job has beside its training spec."""

    dataset_id = Text(required=True, most=40)
    priority = Text(choices=PRIORITIES, load_default="normal")
    webhook = Object(allow_none=True, load_default=None)
    metadata = Object(allow_none=True, load_default=None, metadata={"description": "Yours; only kept."})


_ENVELOPE = Envelope()


@dataclass(frozen=True, slots=True)
class Order:
    """A job's body, read and found right; `profile` is what the dataset is, `other` the second, if any."""

    dataset: Dataset
    profile: Profile
    spec: TrainingSpec
    priority: str
    metadata: dict[str, Any] | None
    webhook: dict[str, Any] | None = None
    other: Profile | None = None


def body_schema() -> dict[str, Any]:
    """The JSON Schema of a job's body: the spec's own, and the envelope around it."""
    schema = spec_schema()
    envelope = {
        "dataset_id": {"type": "string", "minLength": 1, "maxLength": 40, "description": "what to train on"},
        "priority": {"type": "string", "enum": list(PRIORITIES), "default": "normal"},
        "metadata": {"type": ["object", "null"], "description": "yours; only kept"},
        "webhook": WEBHOOK_SCHEMA,
    }
    return {
        **schema,
        "properties": {**envelope, **schema["properties"]},
        "required": ["dataset_id", *schema.get("required", ())],
    }


def read_order(find_dataset: FindDataset, document: Any) -> Order:
    """A job's body as an order; raises ServiceError with all problems of envelope and spec at once."""
    if not isinstance(document, dict):
        raise invalid([Problem("", "wrong_type", f"the body must be an object, got {shown(document)}")])
    envelope, problems = load(
        _ENVELOPE, {name: document[name] for name in _ENVELOPE.fields if name in document}
    )
    problems += metadata_problems(envelope.get("metadata"))
    webhook, wrong = read_webhook(envelope.get("webhook"), private=running().settings.webhook_private)
    problems += wrong
    dataset = find_dataset(envelope["dataset_id"]) if "dataset_id" in envelope else None
    if dataset is not None:
        require_ready(dataset)
    if dataset is None and "dataset_id" in envelope:
        problems.append(unknown_dataset(envelope["dataset_id"]))
    profile = None if dataset is None else Profile.from_document(dataset.profile)
    spec = _read_spec(
        {name: document[name] for name in document if name not in _ENVELOPE.fields}, profile, problems
    )
    problems += [] if spec is None else name_problems(spec.model.name, "/model/name")
    other = _other_profile(find_dataset, spec, problems)
    spec = _started(spec, problems)
    problems += _work_problems(profile, spec, other)
    if problems or dataset is None or profile is None or spec is None:
        raise invalid(problems)
    return Order(dataset, profile, spec, envelope["priority"], envelope["metadata"], webhook, other)


def _read_spec(
    document: dict[str, Any], profile: Profile | None, problems: list[Problem]
) -> TrainingSpec | None:
    limits = running().settings.engine_limits()
    try:
        return parse_spec(document, profile or Profile(10**6, ()), limits)
    except BadSpec as error:
        # Without a dataset there are no columns to be right or wrong about.
        problems += [
            each for each in error.problems if profile is not None or each.code not in _FOUND_IN_DATA
        ]
        return None


def name_problems(name: str | None, pointer: str) -> list[Problem]:
    """What keeps a model's name from standing in an address, as `name` and as `name@version`."""
    if name is None or not (set(name) & set("/@") or name.startswith("mdl_") or not name.strip(". ")):
        return []
    detail = f'name must be other than dots and hold no "/" or "@", nor begin like an id, got {shown(name)}'
    return [Problem(pointer, "invalid_text", detail, "Letters, digits, - and _ are always right.")]


def _other_profile(
    find_dataset: FindDataset, spec: TrainingSpec | None, problems: list[Problem]
) -> Profile | None:
    """Of the second dataset, where the split names one; what keeps it from validating is a problem."""
    if spec is None or spec.split.dataset_id is None:
        return None
    other = find_dataset(spec.split.dataset_id)
    if other is None:
        problems.append(unknown_dataset(spec.split.dataset_id, "/split/dataset_id"))
        return None
    require_ready(other)
    profile = Profile.from_document(other.profile)
    problems += validation_problems(spec, profile)
    return profile


def _started(spec: TrainingSpec | None, problems: list[Problem]) -> TrainingSpec | None:
    """The spec with its `init_from` as an id, for a name may move until the job's turn comes."""
    if spec is None or spec.init_from is None:
        return spec
    found = running().models.find(owner(), spec.init_from)
    if found is None:
        detail = f"init_from names no model: {shown(spec.init_from)}"
        problems.append(Problem("/init_from", "unknown_model", detail, "GET /api/v1/models lists them."))
        return spec
    problems += start_problems(spec, found.trained)
    return replace(spec, init_from=found.id)


def _work_problems(
    profile: Profile | None, spec: TrainingSpec | None, other: Profile | None
) -> list[Problem]:
    """What makes the job larger, or more work, than settings allow."""
    if spec is None or profile is None:
        return []
    most = running().settings.max_work
    problems = memory_problems(spec, profile, running().settings.engine_limits(), other)
    parameters, epochs = spec.parameter_count(profile), spec.training.epochs
    work = epochs * profile.row_count * parameters
    if work <= most:
        return problems
    fact = f"{epochs} epochs x {profile.row_count} rows x {parameters} parameters are {work:.3g}"
    hint = "Train for fewer epochs, on fewer rows, or a smaller model."
    detail = f"a job may have {most:.3g} (max_work); {fact}"
    return [*problems, Problem("/training/epochs", "too_much_work", detail, hint)]


def check_queue(db: Transaction) -> None:
    """Raises ServiceError when as many jobs wait as may."""
    outlook, most = running().outlook, running().settings.max_queued
    waiting = outlook.waiting(db, most)
    if waiting >= most:
        detail = f"{waiting} jobs wait, and max_queued allows {most}"
        raise _queue_full(db, detail, most)
    most = running().settings.max_queued_per_owner
    # No owner has more than all have; how many those are may have been counted a second ago.
    if waiting + MARGIN > most and outlook.waiting(db, most, owner()) >= most:
        detail = f"{most} jobs of yours wait, and max_queued_per_owner allows no more"
        raise _queue_full(db, detail, most)


def _queue_full(db: Transaction, detail: str, most: int) -> ServiceError:
    wait = QUEUE_SHARE * most / running().outlook.measure(db)
    seconds = max(1, ceil(min(wait, running().settings.max_retry_seconds)))
    return ServiceError("queue_full", detail, headers={"Retry-After": str(seconds)})


def require_ready(dataset: Dataset) -> None:
    """Raises ServiceError for a dataset that is still to be validated, or was rejected."""
    if dataset.status != "ready":
        raise ServiceError("dataset_not_ready", f"dataset {dataset.id} is not ready")


def add_job(db: Transaction, **facts: Any) -> Job:
    """A new queued job; raises ServiceError where a dataset of it has been removed since it was looked at."""
    try:
        return queue.add(db, **facts)
    except queue.NoDataset as gone:
        pointer = "/dataset_id" if gone.dataset_id == facts["dataset_id"] else "/split/dataset_id"
        raise invalid([unknown_dataset(gone.dataset_id, pointer)]) from None


def unknown_dataset(dataset_id: str, pointer: str = "/dataset_id") -> Problem:
    """The problem of a body that names no dataset of the owner's."""
    detail = f"dataset_id names no dataset: {shown(dataset_id)}"
    return Problem(pointer, "unknown_dataset", detail, "POST /api/v1/datasets makes one, GET lists them.")


def metadata_problems(metadata: object) -> list[Problem]:
    """What keeps metadata from being stored."""
    size = len(orjson.dumps(metadata))
    if size <= MAX_METADATA_BYTES:
        return []
    return [
        Problem("/metadata", "too_large", f"metadata may have {MAX_METADATA_BYTES} bytes as JSON, got {size}")
    ]
