"""What psycopg raises, told apart: what passes is Unavailable, everything else is a bug and stays as it is."""

from typing import Final

import psycopg
from psycopg import errors

from task_service.adapters.postgres.connection import NoAnswer
from task_service.domain.errors import Unavailable

_PASSING_CLASSES: Final = ("08", "40", "53", "55", "57", "58")
"""Of SQLSTATEs: connection, rollback, resources (disk, memory, connections), locks, shutdown, the server's system
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

_PASSING: Final = (
    # A standby: a failover is under way.
    errors.ReadOnlySqlTransaction,
    # The host in the middle of a transaction was too slow.
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    # The migrations have not run yet, or the role has not been given its rights to what they have made.
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
)


def unavailable(error: psycopg.Error) -> Unavailable | None:
    """The failure as Unavailable, with its reason but none of its data; None: it is a bug."""
    if isinstance(error, NoAnswer):
        return Unavailable("postgresql: the server does not answer")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        # libpq's own: the network, or a server that has gone.
        return Unavailable("postgresql: the connection is lost")
    if isinstance(error, _PASSING) or (error.sqlstate or "").startswith(_PASSING_CLASSES):
        # The class has the name of the SQLSTATE, as in DiskFull.
        return Unavailable(f"postgresql: {type(error).__name__}")
    return None


def is_worth_repeating(error: BaseException | None) -> bool:
    """Whether the same statement may do better at once: its connection was lost, or others were in its way."""
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, NoAnswer):
        return False
    state = error.sqlstate
    return state is None or state.startswith(("08", "40")) or state in ("57P01", "57P02", "57P03", "57P05")
