"""A connection: how libpq connects, and how long an answer may take."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import RowMaker, dict_row

T = TypeVar("T")

Row = dict[str, Any]
"""A row, by the names of its columns."""

Conninfo = str | Callable[[], str]
"""How libpq connects; a function is asked for every new connection, as a password that is rotated needs it."""

CONNECTING: Final[dict[str, Any]] = {
    "application_name": "task-service",
    "connect_timeout": "5",
    # After a failover, of several hosts in the URL the one that takes writes.
    "target_session_attrs": "read-write",
    # A network that swallows packets: the kernel gives a connection up after ten seconds.
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What libpq connects with, unless DATABASE_URL says something else."""


def rows_in_utc(cursor: psycopg.Cursor[Any]) -> RowMaker[Row]:
    """Makes rows whose times are in UTC, whatever the session's time zone is."""
    make = dict_row(cursor)

    def make_in_utc(values: Sequence[Any]) -> Row:
        return make([value.astimezone(UTC) if isinstance(value, datetime) else value for value in values])

    return make_in_utc


SETTINGS: Final[dict[str, Any]] = {
    "autocommit": True,
    "row_factory": rows_in_utc,
    # A transaction's limits and its first statement go in one message, which prepared statements cannot.
    "cursor_factory": psycopg.ClientCursor,
    "prepare_threshold": None,
}
"""How psycopg uses a connection."""


RELIED_ON: Final = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
}
"""How texts, times and durations are written. A server, a database or a role may have other defaults. PostgreSQL tells
its clients these settings, and PgBouncer keeps them for each client."""

RELIED_ON_IN_TRANSACTIONS: Final = {
    # A change waits for another one of the same row, and looks at the row again then.
    "transaction_isolation": "read committed",
    "array_nulls": "on",
}
"""What PgBouncer does not keep: where it is something else, each transaction sets it."""

_SHOWN: Final = ", ".join(f"current_setting('{name}') AS {name}" for name in RELIED_ON_IN_TRANSACTIONS)

_SHOWN_WITHIN: Final = 5.0
"""Seconds in which a server that has let a client in tells these settings; else it hangs."""


class NoAnswer(psycopg.OperationalError):
    """The server keeps the connection, and does not answer: it hangs, or its disk does."""


class Connection(psycopg.Connection[Row]):
    """A connection that is closed where an answer takes too long.

    The server itself ends a statement in time (`Patience`), unless it hangs.
    """

    answer_within: float | None = None
    """Seconds that an answer may take; None: for ever."""
    corrections: str = ""
    """The statements with which a transaction sets what this service relies on; nearly always none."""

    @classmethod
    def connect(cls, conninfo: str = "", **settings: Any) -> Self:
        """Connect, and correct what this service relies on where it is something else. Raises psycopg.Error."""
        connection = super().connect(conninfo, **settings)
        try:
            connection._correct()
        except BaseException:
            connection.close()
            raise
        return connection

    def _correct(self) -> None:
        self.answer_within = _SHOWN_WITHIN
        for name, value in RELIED_ON.items():
            if not (self.info.parameter_status(name) or "").startswith(value):
                self.execute(f"SET {name} = '{value}'")
        [shown] = self.execute(f"SELECT {_SHOWN}").fetchall()
        wrong = {name: value for name, value in RELIED_ON_IN_TRANSACTIONS.items() if shown[name] != value}
        self.corrections = "".join(f"SET LOCAL {name} = '{value}'; " for name, value in wrong.items())
        self.answer_within = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for an answer, or for something else for `timeout`. Raises NoAnswer."""
        if timeout is not None or self.answer_within is None:
            return super().wait(gen, interval, timeout)
        ends = time.monotonic() + self.answer_within
        try:
            return super().wait(gen, interval, self.answer_within)
        except psycopg.OperationalError as error:
            if error.sqlstate is not None or time.monotonic() < ends:
                raise
            self.close()
            raise NoAnswer(f"no answer within {self.answer_within:g} s") from error


def resolve(conninfo: Conninfo) -> str:
    """How libpq connects now, with our defaults."""
    text = conninfo if isinstance(conninfo, str) else conninfo()
    return make_conninfo(**(CONNECTING | conninfo_to_dict(text)))


def connect(conninfo: Conninfo) -> Connection:
    """A connection of its own, whose answers may take as long as they do. Raises psycopg.Error."""
    return Connection.connect(resolve(conninfo), **SETTINGS)
