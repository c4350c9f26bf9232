"""Errors of who asks, from where and how often."""

from collections.abc import Mapping

from service.error_kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "no_key": Kind(
        401,
        "A key is needed",
        "The service answers only to requests that carry a key, and this one has none.",
        "Send the header `Authorization: Bearer KEY`; `gradhouse keys create` makes a key.",
    ),
    "wrong_key": Kind(
        401,
        "The key does not open",
        "The key is unknown, has expired, or was revoked.",
        "Check that all of it was sent; `gradhouse keys list` shows which keys are live.",
    ),
    "forbidden": Kind(
        403,
        "The key may not do this",
        "The key is valid, but its scope does not cover what was asked: read sees and predicts, write makes, "
        "changes and deletes, admin also sees the metrics.",
        "Use a key with the scope that the detail names.",
    ),
    "foreign_host": Kind(
        403,
        "The Host header is not this service's",
        "On the loopback address the service answers to 127.0.0.1, localhost and [::1], elsewhere to what "
        "the setting allowed_hosts names. Anything else may be a web page that rebinds a name of its own.",
        "Use an address that the detail names, or add the name to the setting allowed_hosts.",
    ),
    "cross_origin": Kind(
        403,
        "A foreign web page may not use this service",
        "The browser says that the request comes from a page of another origin.",
        "Send the request from a program, or from the service's own pages.",
    ),
    "behind_a_proxy": Kind(
        403,
        "An open service may not stand behind a proxy",
        "The service asks for no keys because only this machine's user reaches it. A request that a proxy "
        "has passed on may be anybody's.",
        "Set GRADHOUSE_REQUIRE_KEYS=1 and make keys with `gradhouse keys create`, or ask without the proxy.",
    ),
    "too_many_requests": Kind(
        429,
        "Too many requests",
        "A key, and an address without one, may ask as often as the detail says.",
        "Wait as long as Retry-After says; the field RateLimit tells how much is left.",
    ),
}
