"""Rate limits before every endpoint: a key's requests count for the key, all others for the address."""

from ipaddress import ip_address
from typing import Any

import redis
from flask import request

from service.access.keyring import Identity
from service.access.rates import Allowance, BrokerAway, Policy, Rates
from service.errors import ServiceError
from service.settings import Settings
from service.web.requests import ADDED_HEADERS


class Limiter:
    """Who may ask how often, by the settings."""

    def __init__(self, settings: Settings, client: "redis.Redis") -> None:
        self._closed = settings.rate_failure == "closed"
        self._proxies = settings.trusted_proxies
        self._keys = Rates(client, Policy("key", settings.key_rate, settings.key_burst))
        self._addresses = Rates(client, Policy("address", settings.address_rate, settings.address_burst))

    def check(self, identity: Identity | None) -> None:
        """Counts this request; raises ServiceError where its sender has asked too often."""
        if identity is not None:
            self._check(self._keys, identity.key_id)
        else:
            self._check(self._addresses, client_address(request.environ, self._proxies))

    def _check(self, rates: Rates, who: str) -> None:
        try:
            allowance = rates.spend(who)
        except BrokerAway:
            if self._closed:
                detail = "the broker does not count requests, and rate_failure is closed"
                raise ServiceError("unavailable", detail, headers={"Retry-After": "5"}) from None
            return
        request.environ[ADDED_HEADERS] = _headers(rates.policy, allowance)
        if not allowance.granted:
            policy = rates.policy
            detail = f"this {policy.name} may ask {policy.rate:g} times a second, {policy.size} times at once"
            raise ServiceError(
                "too_many_requests", detail, headers={"Retry-After": str(allowance.wait_seconds)}
            )


def client_address(environ: dict[str, Any], proxies: int) -> str:
    """Who asks: the peer, or behind so many proxies of ours what the first of them was told.

    An IPv6 network of /64 counts as one: its owner has all the addresses in it.
    """
    address: str = environ.get("REMOTE_ADDR") or "unknown"
    if proxies:
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        address = hops[-proxies] if len(hops) >= proxies else address
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else found.exploded[:19]


def _headers(policy: Policy, allowance: Allowance) -> list[tuple[str, str]]:
    wait = f";t={allowance.wait_seconds}" if allowance.wait_seconds else ""
    told = f'"{policy.name}";r={allowance.remaining}{wait}'
    return [("RateLimit-Policy", policy.header), ("RateLimit", told)]
