"""A named family of things (activations, losses, formats): registered where defined, found by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_LETTERS = 64  # of a word that may be a misspelt name
MOST_COMPARED = 20_000  # letters of the word with letters of names: two milliseconds at worst
MOST_LISTED = 20


def did_you_mean(word: str, names: Iterable[str]) -> str | None:
    """The name closest to a misspelt word, if one is close enough to be meant.

    A stranger chooses the word, and often the names: what is long is not compared, of many names the first.
    """
    if not 0 < len(word) <= MOST_LETTERS:
        return None
    room, compared = MOST_COMPARED // len(word), []
    for name in names:
        room -= len(name)
        if room < 0:
            break
        compared.append(name)
    return next(iter(get_close_matches(word, compared, n=1, cutoff=0.6)), None)


def hint_of(word: str, names: Iterable[str]) -> str:
    """The words of a hint that names what was probably meant; empty where nothing comes near."""
    meant = did_you_mean(word, names)
    return f'did you mean "{meant}"?' if meant else ""


def listed(names: Sequence[str]) -> str:
    """The names for an error text: the first of many."""
    return ", ".join(names[:MOST_LISTED]) + (", …" if len(names) > MOST_LISTED else "")


class UnknownName(LookupError):
    """A name that its family does not have; `suggestion` is the one probably meant."""

    def __init__(self, kind: str, name: str, names: tuple[str, ...]) -> None:
        self.kind, self.name, self.names = kind, name, names
        self.suggestion = did_you_mean(name, names)
        super().__init__(f'unknown {kind} "{name}"; known are {", ".join(names)}')


class Registry(Generic[T]):
    """Members by name, in the order they were registered.

    >>> shapes: Registry[int] = Registry("shape")
    >>> _ = shapes.add("triangle", 3)
    >>> shapes.get("triangle"), "square" in shapes, shapes.names()
    (3, False, ('triangle',))
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, T] = {}

    def add(self, name: str, member: T) -> T:
        """Register `member`; a name is taken once."""
        if name in self._members:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._members[name] = member
        return member

    def register(self, name: str) -> Callable[[T], T]:
        """The decorator form of `add`."""
        return lambda member: self.add(name, member)

    def get(self, name: str) -> T:
        """The member called `name`; raises UnknownName, which knows what was probably meant."""
        try:
            return self._members[name]
        except KeyError:
            raise UnknownName(self.kind, name, self.names()) from None

    def names(self) -> tuple[str, ...]:
        """All names, in order of registration."""
        return tuple(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(self._members.items())
