"""Errors that are the service's own: nothing is wrong with the request."""

from collections.abc import Mapping

from service.error_kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "internal_error": Kind(
        500,
        "The service made a mistake",
        "Something happened that should not. The log holds the details under the request id.",
        "Send the request again; if it fails again, report it together with the request id.",
    ),
    "not_implemented": Kind(
        501, "Not implemented", "The service does not know how to do this.", "Ask differently."
    ),
    "unavailable": Kind(
        503,
        "A part of the service is away",
        "The database or another part does not answer at the moment. Nothing was half-stored.",
        "Wait as long as Retry-After says and send the request again.",
    ),
    "too_many_streams": Kind(
        503,
        "Too many event streams are open",
        "Every open stream holds one of the few threads of the process, so their number is bounded.",
        "Poll the same address without Accept: text/event-stream, or try again after Retry-After.",
    ),
    "insufficient_storage": Kind(
        507,
        "No space is left",
        "The disk that holds the data is full. Nothing was half-stored.",
        "Delete datasets that are not needed, or give the data directory more space.",
    ),
}
