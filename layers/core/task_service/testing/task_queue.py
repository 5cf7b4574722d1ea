"""The task queue in memory."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from task_service.domain.messages import QueueMessage, TaskMessage
from task_service.ports import Clock
from task_service.testing.clock import FakeClock
from task_service.testing.faults import Faults

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


LONGEST_DELAY: Final = 900
"""Seconds, as of SQS."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message in the fake queue."""

    message: QueueMessage
    delay_seconds: int


@dataclass
class InMemoryQueue:
    """A queue that, like SQS, delays by whole seconds and no longer than a quarter of an hour."""

    clock: Clock = field(default_factory=FakeClock)
    sent: list[Sent] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)
    """Receipts, with the seconds."""
    faults: Faults = field(default_factory=Faults)

    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        """Put a message into the queue."""
        delay = min(self._seconds_until(due_at), LONGEST_DELAY) if due_at else 0
        self.faults.around(lambda: self.sent.append(Sent(message=message, delay_seconds=delay)))

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Put messages into the queue."""
        for start in range(0, len(messages), 10):
            batch = messages[start : start + 10]
            self.faults.around(partial(self.sent.extend, [Sent(message=message, delay_seconds=0) for message in batch]))

    def postpone(self, receipt: str, *, until: datetime) -> None:
        """Hide a received message until then."""
        self.faults.around(lambda: self.postponed.append((receipt, self._seconds_until(until))))

    def ping(self) -> None:
        """Return where the queue answers."""
        self.faults.around(lambda: None)

    def _seconds_until(self, moment: datetime) -> int:
        return max(0, math.ceil((moment - self.clock()).total_seconds()))
