"""How long a client of AWS waits, and how often it asks."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """The limits of one call."""

    connect_seconds: float
    """For each connection."""
    answer_seconds: float
    """For each whole answer, from sending the request on."""
    tries: int
    """Number of requests, the first one included."""


PATIENT: Final = Patience(connect_seconds=2, answer_seconds=5, tries=3)
"""A lost connection does not use up the whole time of a function."""

IMPATIENT: Final = Patience(connect_seconds=1, answer_seconds=1, tries=1)
"""For a caller that asks again anyway, and that has an answer to give when its time is up."""
