"""What the endpoints share: the running parts of this process, whose request it is, and what is missing."""

import time
from dataclasses import dataclass, field
from threading import BoundedSemaphore

from flask import Flask, current_app, g

from service.api.follower import Follower
from service.api.loaded_models import LoadedModels
from service.api.reservations import Reservations
from service.api.watching.look import Lookout
from service.broker import Broker
from service.decoding.decoder import Decoder
from service.errors import ServiceError
from service.presence import Presence
from service.settings import Settings
from service.storage import Storage
from service.tables.base import LOCAL_OWNER, Database
from service.tables.outlook import Outlook

_KEY = "gradhouse"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a request may need; app.py puts them together."""

    settings: Settings
    database: Database
    broker: Broker
    storage: Storage
    decoder: Decoder
    models: LoadedModels
    streams: BoundedSemaphore  # the places for open event streams
    follower: Follower  # which looks for all of them
    reservations: Reservations  # of idempotency keys, by requests at work
    presence: Presence
    lookout: Lookout
    outlook: Outlook
    started_at: float = field(default_factory=time.time)


def install(app: Flask, parts: Parts) -> None:
    """Gives the endpoints of `app` their parts."""
    app.extensions[_KEY] = parts


def running() -> Parts:
    """The parts of the application that answers this request."""
    parts: Parts = current_app.extensions[_KEY]
    return parts


def parts_of(app: Flask) -> Parts:
    """The parts of an application."""
    parts: Parts = app.extensions[_KEY]
    return parts


def owner() -> str:
    """Whose request this is: the key's owner, or the one local user where no keys are asked for."""
    found: str = g.get("owner", LOCAL_OWNER)
    return found


def missing(kind: str, reference: str) -> ServiceError:
    """The error for an id in a path that names nothing, or something of another owner's."""
    return ServiceError(
        "not_found", f"there is no {kind} {reference}", hint=f"GET /api/v1/{kind}s lists what there is."
    )
