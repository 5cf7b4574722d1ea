"""The event queue in PostgreSQL, which is PGMQ's (https://github.com/pgmq/pgmq)."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from bridge.metrics import Metrics
from bridge.queue import SENDERS, EventQueue, Refusal
from bridge.settings import SettingsError

log = logging.getLogger("bridge")

QUEUE: Final = "task_service_events"
"""Name of the queue and of the channel on which its readers are woken."""

_CONNECTING: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "application_name": "task-service-bridge",
    # Of several hosts in the URL the one that takes writes: another would refuse every event.
    "target_session_attrs": "read-write",
    # The kernel gives a connection up whose network swallows packets.
    "tcp_user_timeout": 5_000,
}
"""What libpq connects with, unless DATABASE_URL says something else."""

# Limits of the transaction, so that they hold behind PgBouncer in transaction mode too.
_LIMITS: Final = "SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 3000; SET LOCAL synchronous_commit = on"
# A body is kept as a JSON string, so it arrives as it was sent.
_SEND: Final = """
    SELECT pgmq.send_batch(%(queue)s, ARRAY(SELECT to_jsonb(body) FROM unnest(%(bodies)s::text[]) AS body))
"""


class PostgresEventQueue(EventQueue):
    """One queue of PGMQ."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        """Raises SettingsError."""
        super().__init__("PostgreSQL", metrics)
        self._pool = ConnectionPool(
            _conninfo(url),
            # Whatever the role has as default: an event may have any character.
            kwargs={"autocommit": True, "prepare_threshold": None, "client_encoding": "utf8"},
            min_size=0,
            max_size=SENDERS,
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


def _conninfo(url: str) -> str:
    """How libpq connects. Raises SettingsError, which has nothing of the URL, because that may hold a password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SettingsError("DATABASE_URL is not understood: postgresql://user@server/database is expected") from None
    # libpq ends a password at its first / or @, takes the rest for a server, and names that when it does not find it.
    servers = str(given.get("host", "")).split(",")
    ports = str(given.get("port", "")).split(",")
    # An @ at the beginning is that of an abstract socket.
    if any("@" in server[1:] for server in servers) or not all(port.isdecimal() for port in ports if port):
        raise SettingsError(
            "DATABASE_URL has no server that can be: in a password, every character but letters, digits and -._~ "
            "is written as % and two hexadecimal digits"
        )
    return make_conninfo(**(_CONNECTING | given))
