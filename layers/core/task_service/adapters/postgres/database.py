"""The connections to one database: a pool, transactions, time limits, and one place that maps failures.

Each transaction sets its own limits and asks for a durable commit, in the same round trip as its first statement. So it
depends on no setting of a session, of which PgBouncer in transaction mode keeps none, nor on the server's defaults.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final

import psycopg
from psycopg.pq import ExecStatus
from psycopg_pool import ConnectionPool

from task_service.adapters.postgres.connection import SETTINGS, Connection, Conninfo, Row, connect, resolve
from task_service.adapters.postgres.failures import is_worth_repeating, unavailable
from task_service.domain.errors import Unavailable

log: Final = logging.getLogger("task")

POOL_SIZE: Final = 10
"""The most connections of a process, unless it is told otherwise: as many as a batch has messages."""

RECONNECT: Final = 2.0
"""Seconds for which the pool itself tries to replace a connection; after that, each statement makes it try again. The
pool doubles its pauses, so with more it would notice minutes late that a server is back."""

HANGS: Final = 2.0
"""Seconds after the end of its time in which the server has to say so; else it hangs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a statement may wait, and for what."""

    connection: float = 5
    """Seconds until a connection is free."""
    statement: float = 5
    """Seconds that one statement takes."""
    lock: float = 3
    """Seconds that a statement waits for a lock."""
    tries: int = 3
    """How often a statement is tried whose connection was lost, or which the server took back."""

    def limits(self, *, durable: bool) -> str:
        """The statements with which every transaction begins."""
        return (
            f"SET LOCAL statement_timeout = {self.statement * 1000:.0f}; "
            f"SET LOCAL lock_timeout = {self.lock * 1000:.0f}; "
            # Acknowledged means durable, whatever the server or the role has as default.
            f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}; "
        )

    @property
    def begin(self) -> str:
        """The statements with which a unit of work begins before that."""
        # A host that stops in the middle of one must not keep its locks.
        return f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {2 * self.statement * 1000:.0f}; "


PATIENT: Final = Patience()

IMPATIENT: Final = Patience(connection=1, statement=1, lock=1, tries=1)
"""For a client that waits and looks again soon anyway."""


@dataclass(kw_only=True, slots=True)
class _Unit:
    """A transaction of several statements; its connection is taken for the first of them."""

    patience: Patience
    """Of the database that has opened it: a clock that measures in it is less patient."""
    connection: Connection | None = None
    deferred: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Writes that go to the server with the next statement, or with the end."""
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    failure: Unavailable | None = None
    """Why one of its statements has failed: nothing of it can be durable then."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Database:
    """One database, reached through a pool of connections that is opened when it is first used."""

    conninfo: Conninfo = field(repr=False)
    pool_size: int = POOL_SIZE
    patience: Patience = PATIENT
    _shared: "_Shared" = field(default_factory=lambda: _Shared(), repr=False)

    def impatient(self) -> "Database":
        """The same connections, for statements that are given up soon."""
        return replace(self, patience=IMPATIENT)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None, *, durable: bool = True) -> list[Row]:
        """Execute a statement, in the unit of work that is open here, else in a transaction of its own.

        Raises Unavailable; a statement on its own may then have been executed all the same. One whose connection is
        lost is repeated, so every statement bears that: it finds what it has written.

        One that is not `durable` does not wait for the disk: a server that crashes within a second may forget it. In a
        unit of work it is as durable as the rest.
        """
        unit = self._shared.unit.get()
        if unit is None:
            return self._rows(statement, parameters, None, durable=durable)
        if unit.failure is not None:
            raise unit.failure
        try:
            if unit.connection is not None:
                return _execute(unit.connection, _taken_with(unit, statement, parameters))
            return self._rows(statement, parameters, unit, durable=True)
        except Unavailable as failure:
            unit.failure = failure
            raise

    def _rows(
        self, statement: str, parameters: Mapping[str, Any] | None, unit: _Unit | None, *, durable: bool
    ) -> list[Row]:
        """Execute a statement in a transaction of its own, or as the first one of a unit of work."""
        patience = self.patience if unit is None else unit.patience
        limits = patience.limits(durable=durable)
        if unit is not None:
            limits = patience.begin + limits
        for further in reversed(range(patience.tries)):
            connection = self._take(patience)
            keep = False
            try:
                rows = _execute(connection, [(limits + connection.corrections + statement, parameters)])
                keep = unit is not None
                if unit is not None:
                    unit.connection = connection
                return rows
            except Unavailable as failure:
                if not further or not is_worth_repeating(failure.__cause__):
                    raise
                log.warning(str(failure), extra={"action": "repeat statement"})
            finally:
                if not keep:
                    self._give_back(connection)
            # Whatever cut this connection has probably cut the idle ones too.
            self._pool.check()
        raise AssertionError("the last try returns or raises")

    def row(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The one row of a statement's result; None: it has none."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def write(self, statement: str, parameters: Mapping[str, Any]) -> None:
        """Execute a statement for its effect only; in a unit of work, on the way to the server with what follows it."""
        unit = self._shared.unit.get()
        if unit is not None and unit.connection is not None:
            unit.deferred.append((statement, parameters))
        else:
            self.rows(statement, parameters)

    @contextmanager
    def unit_of_work(self) -> Iterator[None]:
        """Make the statements inside one transaction: all are durable at the end, or none is. Raises Unavailable.

        It belongs to the thread that opens it. A unit within a unit is a part of the outer one.
        """
        if self._shared.unit.get() is not None:
            yield
            return
        unit = _Unit(patience=self.patience)
        token = self._shared.unit.set(unit)
        try:
            yield
            if unit.failure is not None:
                # PostgreSQL would take a COMMIT now for a ROLLBACK, and not say so.
                raise unit.failure
            if unit.connection is not None:
                _execute(unit.connection, _taken_with(unit, "COMMIT"))
        finally:
            self._shared.unit.reset(token)
            if unit.connection is not None:
                self._give_back(unit.connection)
        for afterwards in unit.afterwards:
            afterwards()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do something once what was written here is durable."""
        unit = self._shared.unit.get()
        if unit is None:
            action()
        else:
            unit.afterwards.append(action)

    def connect(self) -> Connection:
        """A connection of its own, outside the pool. Raises psycopg.Error."""
        return connect(self.conninfo)

    def pool_stats(self) -> dict[str, int]:
        """The pool's figures, as psycopg_pool names them."""
        return dict(self._pool.get_stats())

    def close(self) -> None:
        """Close all connections."""
        self._shared.close()

    @property
    def _pool(self) -> "ConnectionPool[Connection]":
        return self._shared.pool(self.conninfo, self.pool_size)

    def _take(self, patience: Patience) -> Connection:
        try:
            connection = self._pool.getconn(timeout=patience.connection)
        except psycopg.Error as error:
            stats = self._pool.get_stats()
            used = stats.get("pool_size", 0) - stats.get("pool_available", 0)
            why = "all connections are in use" if used >= self.pool_size else "the server accepts no connection"
            raise Unavailable(f"postgresql: {why}, for {patience.connection:g} s") from error
        connection.answer_within = patience.statement + HANGS
        return connection

    def _give_back(self, connection: Connection) -> None:
        """Give a connection back without what it has not committed; the pool replaces one that is lost."""
        with suppress(psycopg.Error):
            connection.rollback()
        self._pool.putconn(connection)


class _Shared:
    """The pool and the open units of work, which a patient and an impatient view of a database share."""

    def __init__(self) -> None:
        self.unit: ContextVar[_Unit | None] = ContextVar("unit", default=None)
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None

    def pool(self, conninfo: Conninfo, size: int) -> "ConnectionPool[Connection]":
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    lambda: resolve(conninfo),
                    connection_class=Connection,
                    kwargs=SETTINGS,
                    min_size=1,
                    max_size=size,
                    reconnect_timeout=RECONNECT,
                    open=False,
                    name="task-service",
                )
                self._pool.open()
            return self._pool

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None


_Statement = tuple[str, Mapping[str, Any] | None]
"""A statement, and its parameters."""


def _taken_with(unit: _Unit, statement: str, parameters: Mapping[str, Any] | None = None) -> list[_Statement]:
    """A statement with those before it that were deferred."""
    taken: list[_Statement] = [*unit.deferred, (statement, parameters)]
    unit.deferred.clear()
    return taken


def _execute(connection: Connection, statements: Sequence[_Statement]) -> list[Row]:
    """The rows of the last of these statements, which go to the server in one message."""
    try:
        cursor = connection.cursor()
        assert isinstance(cursor, psycopg.ClientCursor)
        if len(statements) == 1:
            cursor.execute(*statements[0])
        else:
            cursor.execute("; ".join(cursor.mogrify(*statement) for statement in statements))
        cursor.set_result(-1)
        result = cursor.pgresult
        return cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else []
    except psycopg.Error as error:
        failure = unavailable(error)
        if failure is None:
            raise
        raise failure from error
