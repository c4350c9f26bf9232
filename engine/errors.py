"""What the engine refuses, as plain facts: no status codes, no HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_PROBLEMS = 100  # told of one input: its mistakes must not cost more than it does


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    `pointer` is a JSON pointer into the input (`/optimizer/learning_rate`), empty for the whole of it;
    `code` is stable and snake_case; `detail` names the fact and the bound, `hint` the remedy.
    """

    pointer: str
    code: str
    detail: str
    hint: str = ""


def escaped(member: str) -> str:
    """A member's name as a part of a JSON pointer (RFC 6901, section 3)."""
    return member.replace("~", "~0").replace("/", "~1")


class EngineError(ValueError):
    """An input or a run that the engine refuses; `problems` holds every reason found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(f"{p.pointer}: {p.detail}" if p.pointer else p.detail for p in self.problems)
        )

    @classmethod
    def because(cls, detail: str, *, pointer: str = "", code: str = "invalid", hint: str = "") -> EngineError:
        """The error with a single problem."""
        return cls([Problem(pointer, code, detail, hint)])


class BadSpec(EngineError):
    """A training spec or a sample's options that cannot be carried out."""


class BadData(EngineError):
    """A table, a row or an instance that cannot be used."""


class BadModel(EngineError):
    """Bytes of a model or a checkpoint that are corrupt or from another version."""


class Diverged(EngineError):
    """The loss became NaN or infinite in `epoch` (counted from 1)."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        detail = f"the loss stopped being a finite number in epoch {epoch}"
        hint = "lower the learning rate, set clip_norm, or scale the inputs"
        super().__init__([Problem("", "diverged", detail, hint)])
