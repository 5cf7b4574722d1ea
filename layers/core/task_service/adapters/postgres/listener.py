"""Waiting for new messages, with LISTEN.

LISTEN is a state of a session, so the listener has a connection of its own, which must not go through PgBouncer in
transaction mode: where DATABASE_URL does, LISTEN_DATABASE_URL names the server itself. Without such a connection, or
while it is lost, readers are not woken, and look by themselves every PAUSE.
"""

import logging
import threading
from collections import Counter
from typing import Final

import psycopg
from psycopg import sql

from task_service.adapters.postgres.connection import Connection
from task_service.adapters.postgres.database import Database

log: Final = logging.getLogger("task")

PAUSE: Final = 1.0
"""Seconds after which a reader looks by itself."""

_BEAT: Final = 0.5
"""Seconds after which the thread looks whether it is to stop."""


class Listener:
    """Counts the notifications of some channels, in a thread that starts with the first wait."""

    def __init__(self, database: Database) -> None:
        """`database` is reached without a pooler in transaction mode."""
        self._database = database
        self._condition = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._channels: set[str] = set()
        self._changed = False
        self._thread: threading.Thread | None = None
        self.stopped = False

    def count(self, channel: str) -> int:
        """How many notifications there have been, as far as is known; asked before one looks for messages."""
        with self._condition:
            if channel not in self._channels:
                self._channels.add(channel)
                self._changed = True
            return self._counts[channel]

    def wait(self, channel: str, *, seen: int, seconds: float) -> None:
        """Wait for a notification after those that were `seen`, for `seconds`, or for PAUSE, which may be shorter."""
        with self._condition:
            if self._thread is None and not self.stopped:
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
            self._condition.wait_for(lambda: self._counts[channel] != seen or self.stopped, min(seconds, PAUSE))

    def stop(self) -> None:
        """Let all that wait return, and end the thread."""
        with self._condition:
            self.stopped = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self.stopped:
            try:
                with self._database.connect() as connection:
                    self._listen(connection)
            except psycopg.Error as error:
                log.warning("listening was interrupted", extra={"action": "listen", "reason": type(error).__name__})
                with self._condition:
                    self._condition.wait_for(lambda: self.stopped, PAUSE)

    def _listen(self, connection: Connection) -> None:
        listening: set[str] = set()
        while not self.stopped:
            with self._condition:
                new = self._channels - listening
            for channel in new:
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                listening.add(channel)
                # What was sent before this connection listened has to be looked for.
                self._wake(channel)
            for notification in connection.notifies(timeout=_BEAT):
                self._wake(notification.channel)

    def _wake(self, channel: str) -> None:
        with self._condition:
            self._counts[channel] += 1
            self._condition.notify_all()
