"""The gate before every endpoint: whose request it is, and whether its key may do what it asks."""

from flask import Flask, g, request

from service.access.keyring import Identity, Keyring
from service.access.limiter import Limiter
from service.errors import ServiceError
from service.scopes import REQUIRES, Scope

NOBODY = ""  # the owner of a request without a key where keys are asked for: nothing is his
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE = 'Bearer realm="gradhouse"'


def install(app: Flask, keyring: Keyring, *, public: tuple[str, ...], limiter: Limiter | None = None) -> None:
    """Asks every request of `app` for a key, but for the endpoints whose names begin as one of `public`."""
    needed: dict[tuple[str | None, str], Scope] = {}

    def before() -> None:
        asked = (request.endpoint, request.method)
        scope = needed.get(asked)
        if scope is None:
            scope = _needed(app, *asked, public)
            if len(needed) < 10_000:  # methods are the client's to invent
                needed[asked] = scope
        identity = _identity(keyring, request.environ.get("HTTP_AUTHORIZATION"), scope, limiter)
        g.owner = NOBODY if identity is None else identity.owner
        if identity is not None and identity.scope < scope:
            raise _forbidden(identity, scope)

    app.before_request(before)


def _needed(app: Flask, endpoint: str | None, method: str, public: tuple[str, ...]) -> Scope:
    if endpoint is None:
        return Scope.READ  # an address that does not exist tells nothing to strangers
    if endpoint.startswith(public):
        return Scope.PUBLIC
    named: Scope | None = getattr(app.view_functions[endpoint], REQUIRES, None)
    if named is not None:
        return named
    return Scope.READ if method in _READING else Scope.WRITE


def _identity(keyring: Keyring, header: str | None, scope: Scope, limiter: Limiter | None) -> Identity | None:
    """The identity that the header stands for; raises ServiceError where one is needed and there is none."""
    kind, _, secret = (header or "").partition(" ")
    given = secret.strip() if kind.lower() == "bearer" else ""
    found = keyring.find(given) if given else None
    if limiter is not None:
        limiter.check(found)  # before the refusal: guessing is limited like all else without a good key
    if found is not None or scope is Scope.PUBLIC:
        return found
    if not given:
        raise ServiceError("no_key", "the request has no key", headers={"WWW-Authenticate": _CHALLENGE})
    challenge = f'{_CHALLENGE}, error="invalid_token"'
    raise ServiceError(
        "wrong_key", "the key is wrong, expired or revoked", headers={"WWW-Authenticate": challenge}
    )


def _forbidden(identity: Identity, scope: Scope) -> ServiceError:
    detail = f"the key has the scope {identity.scope.word}, and this asks for {scope.word}"
    challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope.word}"'
    hint = f"Use a key with the scope {scope.word}; `gradhouse keys create --scope {scope.word}` makes one."
    return ServiceError("forbidden", detail, hint=hint, headers={"WWW-Authenticate": challenge})
