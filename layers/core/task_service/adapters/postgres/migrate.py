"""Migrations: the numbered files beside this one, each applied once, in order, in a transaction of its own.

The first one is PGMQ's own SQL, as its package has it; later ones of PGMQ need a migration here. An advisory lock that
ends with the transaction lets one host at a time apply the next one, so any number of hosts may start at once, through
PgBouncer too. A migration leaves what the release before it reads and writes as it is, for its hosts are still running.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

import pgmq.install
import psycopg

from task_service.adapters.postgres.connection import Connection
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.failures import unavailable
from task_service.domain.errors import Unavailable

PGMQ: Final = "1.13.0"
"""The release of PGMQ whose SQL is the first migration."""

LOCK: Final = 0x7461_736B
"""Number of the advisory lock; any number that no other program takes."""

_BEGIN: Final = """
BEGIN;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';
-- Servers before PostgreSQL 17 have none.
SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout';
SELECT pg_advisory_xact_lock(%(lock)s);
CREATE SCHEMA IF NOT EXISTS task_service;
CREATE TABLE IF NOT EXISTS task_service.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- PGMQ is there already as an extension, or because another program has brought it.
SELECT COALESCE(max(number), 0) AS number, to_regprocedure('pgmq.create(text)') IS NOT NULL AS has_pgmq
FROM task_service.migrations;
"""

_RECORD: Final = "INSERT INTO task_service.migrations (number, name) VALUES (%(number)s, %(name)s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str = field(repr=False)


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations, in order."""
    packaged = pgmq.install.get_embedded_sql_version()
    if packaged != PGMQ:
        raise RuntimeError(f"the package pgmq has the SQL of {packaged}, the first migration is that of {PGMQ}")
    first = Migration(number=1, name=f"pgmq {PGMQ}", sql=pgmq.install.get_embedded_install_sql())
    folder = files("task_service.adapters.postgres").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", entry.name))
    later = (
        Migration(number=int(name[:4]), name=name[5:-4], sql=folder.joinpath(name).read_text("utf-8")) for name in names
    )
    return (first, *later)


def migrate(database: Database) -> list[str]:
    """Apply the migrations that are missing; returns their names. Raises Unavailable; it can be repeated then."""
    applied: list[str] = []
    try:
        with database.connect() as connection:
            while (migration := _apply_next(connection)) is not None:
                applied.append(f"{migration.number:04} {migration.name}")
    except psycopg.Error as error:
        failure = unavailable(error)
        if failure is None:
            raise
        raise failure from error
    return applied


def check_schema(database: Database) -> None:
    """Return where every migration has been applied. Raises Unavailable."""
    [row] = database.rows("SELECT max(number) AS number FROM task_service.migrations")
    needed = migrations()[-1].number
    if (row["number"] or 0) < needed:
        raise Unavailable(f"postgresql: the schema is at migration {row['number']}, {needed} is needed")


def _apply_next(connection: Connection) -> Migration | None:
    """Apply the first migration that is missing; None: there is none."""
    cursor = connection.execute(_BEGIN, {"lock": LOCK})
    while cursor.nextset():
        pass
    [row] = cursor.fetchall()
    migration = next((migration for migration in migrations() if migration.number > row["number"]), None)
    if migration is None:
        connection.execute("ROLLBACK")
        return None
    if migration.number > 1 or not row["has_pgmq"]:
        connection.execute(migration.sql)
    connection.execute(_RECORD, {"number": migration.number, "name": migration.name})
    connection.execute("COMMIT")
    return migration
