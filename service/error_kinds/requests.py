"""Errors of how a request is written: its method, headers, media type and content."""

from collections.abc import Mapping

from service.error_kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "not_json": Kind(
        400,
        "The body is not JSON",
        "The request's body could not be parsed. NaN and Infinity are no JSON, a number must fit into a "
        "float64, a name may stand in an object only once, and nesting is bounded.",
        "Correct what the detail names; a body of JSON is encoded in UTF-8.",
    ),
    "bad_request": Kind(
        400,
        "The request cannot be understood",
        "The request breaks the rules of HTTP or of its media type, so its content was not looked at.",
        "Correct what the detail names and send it again.",
    ),
    "bad_idempotency_key": Kind(
        400,
        "The Idempotency-Key cannot be used",
        "The header is empty, too long, or holds characters that are not printable ASCII.",
        "Send a random UUID, or leave the header out.",
    ),
    "length_required": Kind(
        411,
        "The length of the body is needed",
        "The file comes in chunks without a Content-Length. A file of lines has no end of its own: if the "
        "upload broke off, its first half would look whole.",
        "Send a Content-Length, or send the file as a form, whose end can be seen.",
    ),
    "method_not_allowed": Kind(
        405,
        "The resource does not know this method",
        "The address exists, the method does not apply to it.",
        "Use a method of the Allow header.",
    ),
    "not_acceptable": Kind(
        406,
        "No representation is acceptable",
        "The Accept header names only media types that this resource cannot be given in.",
        "Accept one of the media types of the detail.",
    ),
    "idempotency_key_in_flight": Kind(
        409,
        "A request with this Idempotency-Key is at work",
        "The first request with this key has not been answered yet, so there is no answer to repeat.",
        "Wait as long as Retry-After says and send the request again.",
    ),
    "too_large": Kind(
        413,
        "The request is too large",
        "The body is longer than the service's setting allows.",
        "Send less, or raise the setting that the detail names.",
    ),
    "uri_too_long": Kind(
        414, "The address is too long", "The request's address is too long.", "Send a POST."
    ),
    "unsupported_media_type": Kind(
        415,
        "The media type is not understood here",
        "The Content-Type header is missing or names a media type that this resource does not read.",
        "Send one of the media types of the detail, and name it in Content-Type.",
    ),
    "validation_failed": Kind(
        422,
        "The content is wrong",
        "The request could be parsed, but values in it cannot be used. Every problem that was found stands "
        "in errors, each with a JSON pointer to the value. Nothing of the request was stored.",
        "Correct the values that the pointers name and send it again.",
    ),
    "idempotency_key_reused": Kind(
        422,
        "The Idempotency-Key belongs to another request",
        "A key stands for one request: the same address and the same body.",
        "Make a new key for every new request.",
    ),
    "too_many_bodies": Kind(
        503,
        "Too many bodies are being sent",
        "A body that is still on its way holds a thread of the process, so their number is bounded, of all "
        "and of one owner.",
        "Wait as long as Retry-After says and send the request again, fewer at once.",
    ),
}
