"""Specs that an earlier version wrote: a member that came later means what its absence meant then.

A stored spec is whole. Would the gaps of an older one be filled with today's defaults, an old job would
change its meaning with the program; so each member that joins the spec says here what there was before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

# JSON pointer → what the absence meant. Add a line with every new member of the spec.
ADDED: dict[str, Any] = {}


def completed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the members that came after it, as they were meant before they could be said."""
    whole = dict(deepcopy(document)) if ADDED else dict(document)
    for pointer, value in ADDED.items():
        parent, name = _place(whole, pointer)
        if parent is not None:
            parent.setdefault(name, deepcopy(value))
    return whole


def essential(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as its oldest reader would have written it: equal for specs that mean the same."""
    brief = dict(deepcopy(document)) if ADDED else dict(document)
    for pointer, value in ADDED.items():
        parent, name = _place(brief, pointer)
        if parent is not None and name in parent and parent[name] == value:
            del parent[name]
    return brief


def gaps(whole: Any, document: Any, pointer: str = "") -> Iterator[str]:
    """The pointers of what `whole` has and `document` lacks."""
    if isinstance(whole, dict) and isinstance(document, Mapping):
        for name, value in whole.items():
            here = f"{pointer}/{name}"
            yield from gaps(value, document[name], here) if name in document else [here]
    elif isinstance(whole, list) and isinstance(document, list):
        for index, (value, given) in enumerate(zip(whole, document, strict=False)):
            yield from gaps(value, given, f"{pointer}/{index}")


def _place(document: dict[str, Any], pointer: str) -> tuple[dict[str, Any] | None, str]:
    """The object that a pointer's last name stands in, where the document has that object."""
    *path, name = pointer.strip("/").split("/")
    here: Any = document
    for step in path:
        here = here.get(step) if isinstance(here, dict) else None
    return (here if isinstance(here, dict) else None), name
