"""A queue's refusal of a message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why the event queue does not have a message."""

    code: str
    is_hopeless: bool = False
