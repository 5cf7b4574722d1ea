"""The event queue in PostgreSQL, which is PGMQ's (https://github.com/pgmq/pgmq)."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from bridge.metrics import Metrics
from bridge.queue import EventQueue, Refusal
from bridge.settings import SettingsError

log = logging.getLogger("bridge")

QUEUE: Final = "task_service_events"
"""Name of the queue and of the channel on which its readers are woken."""

# Limits of the transaction, so that they hold behind PgBouncer in transaction mode too.
_LIMITS: Final = "SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 3000; SET LOCAL synchronous_commit = on"
# A body is kept as a JSON string, so it arrives as it was sent.
_SEND: Final = """
    SELECT pgmq.send_batch(%(queue)s, ARRAY(SELECT to_jsonb(body) FROM unnest(%(bodies)s::text[]) AS body))
"""


class PostgresEventQueue(EventQueue):
    """One queue of PGMQ."""

    def __init__(self, url: str, metrics: Metrics, *, senders: int) -> None:
        """Raises SettingsError."""
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # It may hold a password.
            raise SettingsError(
                "DATABASE_URL is not understood: postgresql://user@server/database is expected"
            ) from None
        super().__init__("PostgreSQL", metrics, senders=senders)
        options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
            "connect_timeout": 3,
            "application_name": "task-service-bridge",
            # The kernel gives a connection up whose network swallows packets.
            "tcp_user_timeout": 5_000,
        }
        self._pool = ConnectionPool(
            url,
            kwargs=options,
            min_size=0,
            max_size=senders,
            timeout=5,
            # Then each batch makes it try again. The pool doubles its pauses: with more, it would notice minutes late
            # that a server is back.
            reconnect_timeout=2,
            open=True,
            check=ConnectionPool.check_connection,
            name="events",
        )

    def _send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Send messages; all are durable, or none is."""
        try:
            with self._pool.connection() as connection:
                with connection.transaction():
                    connection.execute(_LIMITS)
                    connection.execute(_SEND, {"queue": QUEUE, "bodies": list(bodies)})
                self._wake(connection)
        except PoolTimeout:
            return [Refusal("NoConnection")] * len(bodies)
        except psycopg.Error as error:
            return [Refusal(type(error).__name__)] * len(bodies)
        return [None] * len(bodies)

    def _disconnect(self) -> None:
        self._pool.close(timeout=0)

    def _wake(self, connection: "psycopg.Connection[Any]") -> None:
        """Wake the workers, after the commit: in the transaction, NOTIFY would make commits wait for each other."""
        try:
            connection.execute("SELECT pg_notify(%s, '')", (QUEUE,))
        except psycopg.Error as error:
            # The events are durable, and workers look by themselves before long.
            log.info("the workers are not woken", extra={"action": "wake", "code": type(error).__name__})
