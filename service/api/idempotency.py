"""`Idempotency-Key`: a POST that is sent twice creates once, and is answered twice with the first answer."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import wraps
from hashlib import sha256
from typing import Any, BinaryIO, cast

from flask import Response, g, request

from service.api.parts import owner, running
from service.errors import ServiceError
from service.tables import idempotency
from service.tables.base import Conflict, Transaction, is_transient
from service.tables.idempotency import Kept, KeyReused, Reservation
from service.telemetry import get_logger
from service.web.bodies import COPIED_BYTES, body_file
from service.web.contract import View

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY_LENGTH = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")
_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "description": "Makes sending again safe: the same key and body get the first answer, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]+$"},
}

_log = get_logger(__name__)


def idempotent(view: View) -> View:
    """Marks an endpoint that creates: stands right under `blueprint.post`, so that it sees whole answers.

    The endpoint calls `remember` in the transaction that creates: what is created and the answer to its key
    are there together or not at all.
    """

    @wraps(view)
    def guarded(*args: Any, **path: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **path)
        checked = _checked(key)
        with body_file() as body:
            reserved = Reservation(owner(), checked, secrets.token_hex(16), _fingerprint(body))
            body.seek(0)
            kept = _reserve(reserved)
            return _answer_once(reserved, view, args, path) if kept is None else _replay(kept)

    described = vars(guarded).setdefault("_apidoc", {}).setdefault("manual_doc", {})
    described.setdefault("parameters", []).append(_PARAMETER)
    return cast("View", guarded)


def remember(db: Transaction, answer: Response, status: int, headers: Mapping[str, str]) -> None:
    """Keeps the answer under the request's key, in the transaction that creates what it tells of."""
    reserved: Reservation | None = g.get("reserved_key")
    if reserved is not None:
        sent = {"Content-Type": answer.headers["Content-Type"], **headers}
        idempotency.complete(db, reserved, Kept(status, sent, answer.get_data()))
        g.reserved_key = None


def _answer_once(reserved: Reservation, view: View, args: Any, path: Any) -> Response:
    g.reserved_key = reserved
    try:
        with running().reservations.keeping(reserved):
            answer: Response = view(*args, **path)
    except BaseException:
        _give_up(reserved)
        raise
    if g.reserved_key is not None:
        raise RuntimeError(f"{request.endpoint} has not remembered what it answered")
    return answer


def _give_up(reserved: Reservation) -> None:
    try:
        with running().database.session() as db:
            idempotency.give_up(db, reserved)
    except Exception as error:
        if not is_transient(error):
            raise
        # What the request was refused for says more; and the reservation runs out.
        _log.warning("a key is free only in a while", error=str(error)[:200])


def _reserve(reserved: Reservation) -> Kept | None:
    try:
        with running().database.session() as db:
            return idempotency.reserve(db, reserved)
    except KeyReused:
        detail = f"the {HEADER} was used before, for a request with another address or body"
        raise ServiceError("idempotency_key_reused", detail, hint="Make a new key for it.") from None
    except Conflict as error:
        headers = {"Retry-After": "1"}
        raise ServiceError(error.code, error.detail, hint=error.hint, headers=headers) from None


def _replay(kept: Kept) -> Response:
    return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})


def _checked(key: str) -> str:
    if _KEY.fullmatch(key):
        return key
    fact = f"got {len(key)} characters" if _KEY.fullmatch(key[:MAX_KEY_LENGTH]) else "got others"
    fact = fact if key else "got none or others"  # the server hands on what is no ASCII as nothing
    detail = f"{HEADER} must be 1 to {MAX_KEY_LENGTH} printable ASCII characters without spaces, {fact}"
    raise ServiceError("bad_idempotency_key", detail, hint="A random UUID makes a good key.")


def _fingerprint(body: BinaryIO) -> str:
    address = f"{request.method} {request.full_path} {request.mimetype}\n"
    digest = sha256(address.encode("utf-8", "replace"))
    # Clients draw a new boundary each time they send the same form.
    boundary = request.mimetype_params.get("boundary", "").encode()
    for piece in _without(boundary, iter(lambda: body.read(COPIED_BYTES), b"")):
        digest.update(piece)
    return digest.hexdigest()


def _without(word: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without the word, wherever it stands, also across their borders."""
    if not word:
        yield from pieces
        return
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(word)
        yield from whole
        sure = max(0, len(rest) - len(word) + 1)  # what follows may be the word's start
        yield rest[:sure]
        rest = rest[sure:]
    yield rest
