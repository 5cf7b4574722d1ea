"""Withdrawing a record whose creation was refused because its message could not be sent.

No client was told its id, and no message starts it. Normally the record is removed at once. If the table does not
answer either, this process remembers the record, and removes it after a later creation, when table and queue work
again. So a creation that goes well costs no write more. A record that this process cannot remove before it ends stays
as `created` until its retention ends; the log names it.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

from task_service.domain.errors import Unavailable

R = TypeVar("R")

log: Final = logging.getLogger("task")

REMEMBERED: Final = 1_000
"""Number of records that a process remembers; beyond that it forgets the oldest."""

AT_ONCE: Final = 5
"""Number of records that are removed after a creation, whose client waits meanwhile."""


class Records(Protocol[R]):
    """The records of tasks or of lists."""

    def add(self, record: R, /) -> R | None:
        """Write a record unless there is one of its id, which is returned."""

    def get(self, record_id: str, /) -> R | None:
        """The record of an id."""

    def remove(self, record_id: str, /) -> None:
        """Remove a record."""


@dataclass(kw_only=True, eq=False, repr=False)
class Withdrawals(Generic[R]):
    """The records that a process withdraws."""

    records: Records[R]
    has_started: Callable[[R], bool]
    """Whether an executor has handled the first message of a record: the queue may take one and not say so."""
    _left: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED), init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def withdraw(self, record_ids: Sequence[str]) -> None:
        """Remove records, now or later."""
        for position, record_id in enumerate(record_ids):
            try:
                self.records.remove(record_id)
            except Unavailable as error:
                left = record_ids[position:]
                for one in left:
                    about = {"action": "withdraw", "record_id": one, "reason": str(error)}
                    log.warning("record without message stays for now", extra=about)
                self._remember(left)
                return

    def go_on(self) -> None:
        """Remove records that could not be removed before, unless they have started."""
        waiting = self._take()
        while waiting:
            record_id = waiting[0]
            try:
                record = self.records.get(record_id)
                if record is not None and not self.has_started(record):
                    self.records.remove(record_id)
            except Unavailable as error:
                log.warning(str(error), extra={"action": "withdraw", "record_id": record_id})
                self._remember(waiting)
                return
            waiting.pop(0)

    def _take(self) -> list[str]:
        with self._lock:
            return [self._left.popleft() for _ in range(min(len(self._left), AT_ONCE))]

    def _remember(self, record_ids: Sequence[str]) -> None:
        with self._lock:
            self._left.extend(record_ids)
