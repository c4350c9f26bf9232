"""Puts the API process together: the only place where its parts are made and joined."""

from collections.abc import Callable
from errno import EDQUOT, ENOSPC
from functools import cache, partial
from importlib.metadata import version
from threading import BoundedSemaphore

import orjson
from flask import Response

from engine.errors import BadModel, EngineError
from service.access import gate
from service.access.keyring import Keyring
from service.access.limiter import Limiter
from service.api import (
    aliases,
    batch_predictions,
    datasets,
    deliveries,
    evaluations,
    exports,
    history,
    inference,
    job_events,
    job_wishes,
    jobs,
    models,
    options,
    parts,
    predictions,
)
from service.api.follower import Follower
from service.api.inside import expressions, gradients, graphs, hard_rows, replay, surfaces
from service.api.inside.openings import opening_of_job, opening_of_model
from service.api.loaded_models import LoadedModels
from service.api.reservations import Reservations
from service.api.watching import health, metrics, status
from service.api.watching.look import Lookout
from service.broker import Broker, connect
from service.dashboard.pages import make_pages
from service.decoding.decoder import Decoder
from service.error_kinds import KINDS
from service.errors import ServiceError, invalid
from service.presence import Presence
from service.settings import Settings, load_settings
from service.storage import DamagedBytes, MissingBytes, StorageAway, open_storage
from service.tables.base import Conflict, Database, is_transient
from service.tables.outlook import Outlook
from service.telemetry.log import RequestLog
from service.web import admission, bodies, encodings, observing, problems, requests
from service.web.application import Application
from service.web.conditional import with_etag
from service.web.contract import Api
from service.web.turns import Turns

OPENAPI_URL = "/openapi.json"
RETRY_SECONDS = "2"
# The description and the pages hold no data: a browser sends no key when it opens a page, its script does.
PUBLIC_ENDPOINTS = ("openapi", "dashboard.")
BLUEPRINTS = (
    datasets.blueprint,
    jobs.blueprint,
    job_wishes.blueprint,
    job_events.blueprint,
    deliveries.blueprint,
    history.blueprint,
    models.blueprint,
    aliases.blueprint,
    exports.blueprint,
    inference.blueprint,
    inference.kserve,
    predictions.blueprint,
    evaluations.blueprint,
    batch_predictions.blueprint,
    gradients.blueprint,
    graphs.blueprint,
    expressions.blueprint,
    surfaces.blueprint,
    hard_rows.blueprint,
    replay.blueprint,
    options.blueprint,
    status.blueprint,
    health.blueprint,
    metrics.blueprint,
)


def create_app(settings: Settings | None = None) -> Application:
    """The API as a WSGI application; without `settings` those of the environment."""
    settings = settings or load_settings()
    app = Application(__name__)
    bodies.install(
        app,
        max_body_bytes=settings.max_body_bytes,
        max_json_bytes=settings.max_json_bytes,
        max_depth=settings.max_depth,
    )
    app.turns = Turns(settings.api_threads)
    admission.install(
        app, parts.owner, app.turns, max_readers=settings.max_readers, threads=settings.api_threads
    )
    observing.install(app, RequestLog(settings), parts.owner)
    requests.install(app, bind_host=settings.host, hosts=settings.hosts, keyed=settings.keyed)
    encodings.install(app, max_body_bytes=settings.max_body_bytes)
    problems.install(app, as_service_error)
    made = _make_parts(settings, app.turns)
    parts.install(app, made)
    limiter = Limiter(settings, connect(settings, patience_seconds=0.25)) if settings.rate_limited else None
    if settings.keyed:
        gate.install(app, Keyring(made.database), public=PUBLIC_ENDPOINTS, limiter=limiter)
    elif limiter is not None:
        app.before_request(partial(limiter.check, None))
    api = Api(app, version("gradhouse"), keyed=settings.keyed)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    pages = make_pages(KINDS, OPENAPI_URL, of_job=opening_of_job, of_model=opening_of_model)
    app.register_blueprint(pages)
    app.add_url_rule(OPENAPI_URL, "openapi", _document_view(api))
    return app


def as_service_error(error: Exception) -> ServiceError | None:
    """The answer to what the engine and the tables raise; None for an error that nobody expected."""
    if isinstance(error, EngineError) and not isinstance(error, BadModel):  # damage is no client's mistake
        return invalid(error.problems)
    if isinstance(error, Conflict):
        return ServiceError(error.code, error.detail, hint=error.hint)
    if isinstance(error, MissingBytes | DamagedBytes):
        return ServiceError("dataset_unreadable", str(error), status=500)
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        return ServiceError("insufficient_storage", "the disk that holds the datasets is full")
    if is_transient(error) or isinstance(error, StorageAway):
        detail = str(error) if isinstance(error, StorageAway) else "the database does not answer"
        return ServiceError("unavailable", detail, headers={"Retry-After": RETRY_SECONDS})
    return None


def _make_parts(settings: Settings, turns: Turns) -> parts.Parts:
    database = Database(
        settings.database,
        synchronous=settings.sqlite_synchronous,
        pool_size=settings.database_pool,
        before_writing=turns.hand_over,
    )
    presence = Presence(settings)
    return parts.Parts(
        settings=settings,
        database=database,
        broker=Broker(settings),
        storage=open_storage(settings),
        decoder=Decoder(settings),
        models=LoadedModels(database, max_bytes=settings.max_loaded_bytes),
        streams=BoundedSemaphore(settings.max_streams),
        follower=Follower(partial(job_events.look, database)),
        reservations=Reservations(database),
        presence=presence,
        lookout=Lookout(database, presence),
        outlook=Outlook(settings.slice_seconds),
    )


def _document_view(api: Api) -> Callable[[], Response]:
    @cache
    def printed() -> bytes:
        return orjson.dumps(api.document())

    def openapi() -> Response:
        return with_etag(Response(printed(), mimetype="application/json"))

    return openapi
