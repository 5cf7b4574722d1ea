"""When a task or a list starts: at once, or later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MAX_WAIT: Final = timedelta(days=30)
"""The longest time between a creation and its start."""

LATER: Final = "later"
"""Where the bodies of what starts later are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """When a client wants a task or a list to start: at once, unless it says one of the two."""

    delay: timedelta | None = None
    """Time after the creation."""
    not_before: datetime | None = None

    def due_at(self, now: datetime) -> datetime | None:
        """The start of what is created now; None: at once."""
        due = now + self.delay if self.delay is not None else self.not_before
        return due if due is not None and due > now else None

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two requests different that are the same otherwise; empty for a start at once."""
        if self.delay is not None:
            return (f"delay {self.delay.total_seconds():.0f}",)
        return (f"not before {self.not_before.timestamp()}",) if self.not_before is not None else ()


AT_ONCE: Final = Start()


def body_prefix(due_at: datetime | None) -> str:
    """Where the bodies of a creation are kept: those of one that starts later live for as much longer."""
    return "requests" if due_at is None else LATER
