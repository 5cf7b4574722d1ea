"""Removing what is past its retention.

Rows are deleted by the index of their ends, some at a time, each time in a short transaction. A day's partition could
be dropped at once, but a task is found by its id, which does not tell its day: every read, claim and end would look
into the index of each of the days, and no index could tell that an id is there twice. The space of what is deleted is
used again after the next vacuum, so the tables stay as large as what is kept.

One host at a time removes, whichever asks first: the lock ends with the transaction.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.queue import DEAD_EVENTS, UNREADABLE, table_of
from task_service.domain.start import LATER, MAX_WAIT

LOCK: Final = 0x7461_736C
"""Number of the advisory lock."""

MOST: Final = 1_000
"""So many rows are deleted in one transaction: less than a tenth of a second."""

BODIES_LONGER: Final = timedelta(days=1)
"""A large body has no end of its own; it is kept longer than any record of the same day."""

DEAD_KEPT: Final = timedelta(days=14)
"""How long a message is kept that nothing receives; as long as SQS keeps one."""

IS_OLD: Final = "enqueued_at <= clock_timestamp() - %(dead_kept)s"

HAS_EXPIRED: Final = "expires_at <= clock_timestamp()"

_WHAT: Final = {
    "task_service.tasks": HAS_EXPIRED,
    "task_service.lists": HAS_EXPIRED,
    "task_service.groups": HAS_EXPIRED,
    "task_service.idempotency_keys": HAS_EXPIRED,
    # The bodies of what starts later are kept for as much longer.
    "task_service.bodies": (
        "stored_at <= clock_timestamp() - %(bodies_kept)s "
        "AND (NOT starts_with(key, %(later)s) OR stored_at <= clock_timestamp() - %(bodies_kept)s - %(longest_wait)s)"
    ),
    table_of(DEAD_EVENTS): IS_OLD,
    table_of(UNREADABLE): IS_OLD,
}


@dataclass(kw_only=True, eq=False, repr=False)
class Retention:
    """Removes what is past its retention."""

    database: Database
    keep: timedelta
    """How long tasks and lists are kept; records know their own ends."""

    IS_MINE = "SELECT pg_try_advisory_xact_lock(%(lock)s) AS is_mine"

    def remove_some(self) -> int:
        """Remove up to MOST rows of each kind; returns how many they were, 0 while another host does.

        The caller repeats it while something is removed, and then after a pause. Raises Unavailable.
        """
        return sum(self._remove(table, condition) for table, condition in _WHAT.items())

    def _remove(self, table: str, condition: str) -> int:
        values = {
            "bodies_kept": self.keep + BODIES_LONGER,
            "later": f"{LATER}/",
            "longest_wait": MAX_WAIT,
            "dead_kept": DEAD_KEPT,
            "lock": LOCK,
        }
        with self.database.unit_of_work():
            [row] = self.database.rows(self.IS_MINE, values)
            if not row["is_mine"]:
                return 0
            return len(
                self.database.rows(
                    f"""
                        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                            SELECT ctid FROM {table} WHERE {condition} LIMIT {MOST} FOR UPDATE SKIP LOCKED
                        ))
                        RETURNING 1 AS removed
                    """,
                    values,
                )
            )
