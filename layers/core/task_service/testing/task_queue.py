"""The task queue in memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from task_service.domain.errors import Unavailable
from task_service.domain.messages import QueueMessage, Received, TaskMessage
from task_service.ports import Clock, TaskQueue, UnreadableMessages
from task_service.testing.clock import FakeClock
from task_service.testing.faults import Faults, faulty

LONGEST_DELAY: Final = 900
"""Seconds, as of SQS."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message in the fake queue."""

    message: QueueMessage
    delay_seconds: int


@dataclass
class InMemoryQueue(TaskQueue):
    """A queue that, like SQS, delays by whole seconds and no longer than a quarter of an hour at once."""

    clock: Clock = field(default_factory=FakeClock)
    sent: list[Sent] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)
    """Receipts, with the seconds."""
    given_back: list[str] = field(default_factory=list)
    """Receipts."""
    faults: Faults = field(default_factory=Faults)

    @faulty
    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        self.sent.append(Sent(message=message, delay_seconds=self._delay(due_at)))

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        for start in range(0, len(messages), 10):
            batch = messages[start : start + 10]
            self.faults.around(partial(self.sent.extend, [Sent(message=message, delay_seconds=0) for message in batch]))

    def send_each(self, messages: Sequence[TaskMessage]) -> Sequence[TaskMessage]:
        left: list[TaskMessage] = []
        for start in range(0, len(messages), 10):
            some = messages[start : start + 10]
            sent = [Sent(message=message, delay_seconds=self._delay(message.not_before)) for message in some]
            try:
                self.faults.around(partial(self.sent.extend, sent))
            except Unavailable:
                left += some
        return left

    @faulty
    def postpone(self, receipt: str, *, until: datetime) -> None:
        self.postponed.append((receipt, self._seconds_until(until)))

    @faulty
    def give_back(self, received: Sequence[Received]) -> None:
        self.sent += [Sent(message=one.message, delay_seconds=0) for one in received]
        self.given_back += [one.receipt for one in received]

    @faulty
    def ping(self) -> None:
        """Return where the queue answers."""

    def _delay(self, due_at: datetime | None) -> int:
        seconds = self._seconds_until(due_at) if due_at else 0
        return seconds if seconds <= LONGEST_DELAY else min(seconds - LONGEST_DELAY, LONGEST_DELAY)

    def _seconds_until(self, moment: datetime) -> int:
        return max(0, math.ceil((moment - self.clock()).total_seconds()))


@dataclass
class InMemoryUnreadable(UnreadableMessages):
    """The unreadable messages in memory."""

    kept: list[tuple[str, str, str]] = field(default_factory=list)
    """Text, message id and reason of each."""
    faults: Faults = field(default_factory=Faults)

    @faulty
    def keep(self, text: str, *, message_id: str, reason: str) -> None:
        self.kept.append((text, message_id, reason))
