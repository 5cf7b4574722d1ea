"""Waking those that wait for messages, with NOTIFY.

NOTIFY in the transaction that sends would make all transactions commit one after the other, each with a write to the
disk of its own: PostgreSQL holds one lock for the order of notifications until the commit is durable. So they are sent
after the commit, in transactions of their own that wait for no disk: by the sender itself while there is little to do,
because a change of threads takes longer than the statement; under load by a thread, once for all that was sent
meanwhile. A notification that gets lost, because a process or a connection ends, costs a reader's pause and no message.
"""

import logging
import threading
from typing import Final

import psycopg

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.pace import Pace
from task_service.domain.errors import Unavailable

log: Final = logging.getLogger("task")

MOST_A_SECOND: Final = 50
"""Under load a notification tells of all messages of some milliseconds."""

NOTIFY: Final = "SELECT pg_notify(%(channel)s, '')"


class Notifier:
    """Tells the listeners of a database that there are new messages."""

    def __init__(self, database: Database) -> None:
        self._database = database.impatient()
        self._condition = threading.Condition()
        self._channels: set[str] = set()
        self._pace = Pace(MOST_A_SECOND)
        self._thread: threading.Thread | None = None
        self._stopped = False

    def notify(self, channel: str) -> None:
        """Notify those that listen to a channel, now or soon."""
        with self._condition:
            at_once = not self._channels and self._pace.take()
            if not at_once:
                self._leave_to_thread(channel)
        if at_once:
            self._send(channel)

    def _leave_to_thread(self, channel: str) -> None:
        self._channels.add(channel)
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
            self._thread.start()
        self._condition.notify()

    def stop(self) -> None:
        """Send what is still to be sent, and end the thread."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while channels := self._next():
            for channel in channels:
                self._send(channel)

    def _send(self, channel: str) -> None:
        try:
            self._database.rows(NOTIFY, {"channel": channel}, durable=False)
        except (Unavailable, psycopg.Error) as error:
            # What was sent is durable, and readers look by themselves before long. The queue of notifications, one for
            # all databases of a server, is full where another program listens and does not end its transaction.
            log.warning("readers are not woken", extra={"action": "notify", "reason": str(error)})

    def _next(self) -> set[str]:
        """The channels to notify, once there are any; empty: it is stopped and nothing is left."""
        with self._condition:
            self._condition.wait_for(lambda: self._channels or self._stopped)
        self._pace.keep()
        with self._condition:
            channels, self._channels = self._channels, set()
            return channels
