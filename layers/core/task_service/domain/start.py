"""When a task or a list starts: at once or later, and in whose turn."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

GROUP_RULE: Final = "1 to 128 visible ASCII characters are allowed"
"""As SQS has it (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)."""

MAX_WAIT: Final = timedelta(days=30)
"""The longest time between a creation and its start."""

LATER: Final = "later"
"""Where the bodies of what starts later are kept."""

_GROUP: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """When a client wants a task or a list to start: at once, unless it says a delay or a time."""

    delay: timedelta | None = None
    """Time after the creation."""
    not_before: datetime | None = None
    group: str = ""
    """The group in whose turn it starts; empty: that of its template."""

    def due_at(self, now: datetime) -> datetime | None:
        """The start of what is created now, in UTC, whatever offset the client has written; None: at once."""
        due = now + self.delay if self.delay is not None else self.not_before
        # A time that has passed may be so early that UTC has no year for it.
        return due.astimezone(UTC) if due is not None and due > now else None

    @property
    def identity(self) -> tuple[str, ...]:
        """The parts that make two requests different that are the same otherwise; empty for the usual start."""
        parts: list[str] = []
        if self.delay is not None:
            parts.append(f"delay {self.delay.total_seconds():.0f}")
        if self.not_before is not None:
            parts.append(f"not before {self.not_before.timestamp()}")
        if self.group:
            parts.append(f"group {self.group}")
        return tuple(parts)


AT_ONCE: Final = Start()


def body_prefix(due_at: datetime | None) -> str:
    """Where the bodies of a creation are kept: those of one that starts later live for as much longer."""
    return "requests" if due_at is None else LATER


# -- turns: the messages of one group do not hold up those of another, however many there are


def is_group(text: str) -> bool:
    """Whether `text` can be the name of a group."""
    return _GROUP.fullmatch(text) is not None


def group_of(name: str) -> str:
    """The group of a template: its name, or a hash of a name that cannot be one."""
    return name if is_group(name) else hashlib.sha256(name.encode()).hexdigest()
