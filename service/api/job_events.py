"""The log of a job over HTTP: as pages, or as a stream of server-sent events with the same cursor."""

import random
import time
from collections.abc import Iterator, Mapping
from functools import partial
from threading import BoundedSemaphore
from typing import Any

import orjson
from flask import Response, request
from marshmallow import fields

from service.api.follower import Follower, Log, News
from service.api.job_documents import find_job
from service.api.parts import owner, running
from service.errors import ServiceError
from service.tables import events, jobs
from service.tables.base import Database, DatabaseError, is_transient
from service.tables.events import Event, EventType
from service.telemetry.metrics import STREAMS_OPEN
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.contract import Blueprint
from service.web.paging import MAX_ROW, RowQuery, page_response
from service.web.schemas import Answer, moment

SSE_MEDIA_TYPE = "text/event-stream"
EVENTS_A_LOOK = 500
KEEP_ALIVES = 5  # comments within one quiet stream
RETRY_REFUSED_SECONDS = 5, 15  # one of these: hundreds who were refused together must not come back together
RETRY_MILLISECONDS = 1_000
RETRY_DONE_MILLISECONDS = 30_000  # a log that has ended grows no more

_EVENT = {
    "type": "object",
    "required": ["id", "type", "at", "data"],
    "properties": {
        "id": {"type": "integer", "description": "The log's cursor."},
        "type": {"type": "string", "enum": [each.value for each in EventType]},
        "at": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}
_LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "The answer goes on after this event.",
    "schema": {"type": "string"},
}


class EventsPage(Answer):
    """Events of a job, oldest first."""

    data = fields.Raw(required=True, metadata={"type": "array", "items": _EVENT})
    has_more = fields.Boolean(required=True)
    next = fields.Integer(required=True, allow_none=True)


blueprint = Blueprint("job events", "What happens to a job, in order.")


@blueprint.get("/jobs/<job_id>/events", produces=(JSON_MEDIA_TYPE, SSE_MEDIA_TYPE))
@blueprint.query(RowQuery())
@blueprint.documented(parameters=[_LAST_EVENT_ID])
@blueprint.also(200, content_type=SSE_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, EventsPage())
def read_job_events(query: Mapping[str, int], job_id: str) -> Response:
    """List what has happened to a job: a page, or with `Accept: text/event-stream` a stream that goes on."""
    after, limit = max(query["after"], _last_event_id()), query["limit"]
    with running().database.reading() as db:
        find_job(db, job_id)
        found = [] if _wants_stream() else events.read(db, job_id, after=after, limit=limit + 1)
    if _wants_stream():
        return _stream(job_id, after)
    return page_response([_document(each) for each in found[:limit]], _next(found, limit))


def _wants_stream() -> bool:
    kinds = [JSON_MEDIA_TYPE, SSE_MEDIA_TYPE]
    return request.accept_mimetypes.best_match(kinds) == SSE_MEDIA_TYPE


def _last_event_id() -> int:
    given = request.headers.get("Last-Event-ID", "").strip() or "0"
    if given.isdecimal() and given.isascii() and int(given[:20]) <= MAX_ROW:
        return int(given[:20])
    raise ServiceError("bad_request", f"Last-Event-ID must be the id of an event, got {given[:40]!r}")


def _next(found: list[Event], limit: int) -> int | None:
    return found[limit - 1].id if len(found) > limit else None


def _document(each: Event) -> dict[str, Any]:
    return {"id": each.id, "type": each.type, "at": moment(each.at), "data": each.facts()}


def _stream(job_id: str, after: int) -> Response:
    parts = running()
    if not parts.streams.acquire(blocking=False):
        detail = f"{parts.settings.max_streams} event streams are open, as many as max_streams allows"
        again = random.randint(*RETRY_REFUSED_SECONDS)  # noqa: S311 - a spread, no secret
        raise ServiceError("too_many_streams", detail, headers={"Retry-After": str(again)})
    log = _follow(parts.follower, (owner(), job_id), after, parts.settings.stream_seconds)
    response = Response(log, mimetype=SSE_MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy must pass each event on at once
    STREAMS_OPEN.inc()
    response.call_on_close(partial(_close, parts.streams))
    return response


def _close(places: BoundedSemaphore) -> None:
    places.release()
    STREAMS_OPEN.dec()


def _follow(follower: Follower, log: Log, after: int, seconds: float) -> Iterator[str]:
    """The log from a cursor on, until the job is done or the time is up; runs outside of the request."""
    ends = time.monotonic() + seconds
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    with follower.listening(log, after) as listener:
        while (left := ends - time.monotonic()) > 0:
            news = listener.wait(min(seconds / KEEP_ALIVES, left))
            if news is None:
                yield ": still here\n\n"
                continue
            if news.text:
                yield news.text
            if news.over:
                return


def look(database: Database, whose: str, job_id: str, after: int) -> News:
    """What is new in a log: read after the status, so that nothing is missed of a job that has ended."""
    try:
        with database.reading() as db:
            ended = not jobs.goes_on(db, whose, job_id)
            found = events.read(db, job_id, after=after, limit=EVENTS_A_LOOK)
    except DatabaseError as error:
        if not is_transient(error):
            raise
        return News("", after, over=True)  # the client comes again, and goes on where it was
    text = "".join(map(_printed, found))
    over = ended and len(found) < EVENTS_A_LOOK
    if over:
        text += f"retry: {RETRY_DONE_MILLISECONDS}\n\n"
    return News(text, found[-1].id if found else after, over)


def _printed(each: Event) -> str:
    data = orjson.dumps(_document(each)).decode()
    return f"id: {each.id}\nevent: {each.type}\ndata: {data}\n\n"
