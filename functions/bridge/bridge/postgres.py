"""The event queue in PostgreSQL, which is PGMQ's (https://github.com/pgmq/pgmq)."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from bridge.metrics import Metrics
from bridge.refusal import Refusal
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


class PostgresEventQueue:
    """One queue of PGMQ."""

    def __init__(self, url: str, metrics: Metrics, *, senders: int) -> None:
        """Raises SettingsError."""
        self._metrics = metrics
        self._pool = ConnectionPool(
            _conninfo(url),
            # Whatever the role has as default: an event may have any character.
            kwargs={"autocommit": True, "prepare_threshold": None, "client_encoding": "utf8"},
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
        self._threads = ThreadPoolExecutor(senders, thread_name_prefix="postgres")
        self.fault: str | None = None
        """The reason why the latest request failed; None if it did not."""

    async def send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Put messages into the queue; for each, None once it is durable, or why it is not. All are, or none is."""
        begun = time.monotonic()
        fault = await asyncio.get_running_loop().run_in_executor(self._threads, self._send, bodies)
        self._metrics.send_seconds.observe(time.monotonic() - begun)
        if fault is not None:
            self._metrics.queue_errors.labels(fault).inc(len(bodies))
        if fault != self.fault:
            log.warning("PostgreSQL: %s", fault or "takes events again", extra={"action": "send", "code": fault})
        self.fault = fault
        return [None if fault is None else Refusal(fault)] * len(bodies)

    def close(self) -> None:
        """Close the connections, without waiting for statements that PostgreSQL has not answered yet."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close(timeout=0)

    def _send(self, bodies: Sequence[str]) -> str | None:
        """Send; returns the reason if that fails."""
        try:
            with self._pool.connection() as connection:
                with connection.transaction():
                    connection.execute(_LIMITS)
                    connection.execute(_SEND, {"queue": QUEUE, "bodies": list(bodies)})
                self._wake(connection)
        except PoolTimeout:
            return "NoConnection"
        except psycopg.Error as error:
            return type(error).__name__
        return None

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
