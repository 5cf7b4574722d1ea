"""The database's clock, which is the one that decides on this platform.

    database    ────────────●───────────────────────────►     what `clock_timestamp()` says
    this host   ────●───────┼───────●──────────────────────►  what a clock says that only counts
                  asked   between  answered

Leases, delays and ends of retention are compared with times that other hosts have written. So every host uses the
database's time, which it computes from its own counting clock: the host's wall clock may be minutes off, or be set
while it runs, and no lease notices. The difference is measured again when it is half a minute old, and with every batch
of messages that is received. After a failover the new server's clock counts.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.domain.errors import Unavailable

log: Final = logging.getLogger("task")

MEASURED_AGAIN: Final = 30.0
"""Seconds after which the difference is measured again."""

ASKED_AGAIN: Final = 5.0
"""Seconds after which a database that did not answer is asked again."""

EXACT: Final = 0.05
"""Seconds that an answer may take; of one that took longer it is not known when the database looked at its clock."""

NOW: Final = "SELECT clock_timestamp() AS now"


def counting() -> float:
    """Seconds that have passed since some moment, those in which the machine was asleep too."""
    return time.clock_gettime(_COUNTING)


_COUNTING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DatabaseClock:
    """The current time of a database."""

    def __init__(self, database: Database, *, counting: Callable[[], float] = counting) -> None:
        self._database = database.impatient()
        self._counting = counting
        self._lock = threading.Lock()
        self._reference: tuple[datetime, float] | None = None
        """A time of the database, and what the counting clock said then."""
        self._due = 0.0
        """When the counting clock says this, the difference is measured again."""

    def __call__(self) -> datetime:
        """The current time. Raises Unavailable where the database has never answered."""
        reference = self._reference
        if reference is None or self._counting() >= self._due:
            reference = self._measured()
        moment, count = reference
        return moment + timedelta(seconds=self._counting() - count)

    def observe(self, moment: datetime, *, asked: float, answered: float) -> None:
        """Take the difference from a time that the database has told between two counts, if it told it fast."""
        if answered - asked <= EXACT or self._reference is None:
            self._reference = moment, (asked + answered) / 2
            self._due = answered + MEASURED_AGAIN

    def _measured(self) -> tuple[datetime, float]:
        # While one thread measures, perhaps for seconds, the others go on with what they know.
        if not self._lock.acquire(blocking=self._reference is None):
            assert self._reference is not None
            return self._reference
        try:
            # Another thread may have measured it meanwhile.
            if self._reference is None or self._counting() >= self._due:
                try:
                    self._measure()
                except Unavailable as error:
                    if self._reference is None:
                        raise
                    self._due = self._counting() + ASKED_AGAIN
                    log.warning(str(error), extra={"action": "measure clock"})
            assert self._reference is not None
            return self._reference
        finally:
            self._lock.release()

    def _measure(self) -> None:
        """Ask up to three times, as the first answer may have waited for a connection; the fastest one counts."""
        answers: list[tuple[float, float, datetime]] = []
        for _ in range(3):
            asked = self._counting()
            [row] = self._database.rows(NOW)
            answered = self._counting()
            answers.append((answered - asked, answered, row["now"]))
            if answered - asked <= EXACT:
                break
        took, answered, moment = min(answers)
        self._reference = moment, answered - took / 2
        self._due = answered + MEASURED_AGAIN
