"""What one kind of error says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: its HTTP status, its title, and what its page says."""

    status: int
    title: str
    meaning: str
    remedy: str
