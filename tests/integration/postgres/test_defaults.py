"""What an operator may have set for a server, a database or a role changes nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres.conftest import create
from tests.integration.postgres.test_sessions import use_everything
from tests.support.builders import stored_template
from tests.support.postgres import Server

DEFAULTS = {
    "one": [
        "default_transaction_isolation = 'serializable'",
        "standard_conforming_strings = off",
        "\"DateStyle\" = 'German, DMY'",
        "\"IntervalStyle\" = 'iso_8601'",
        "client_encoding = 'SQL_ASCII'",
        "array_nulls = off",
    ],
    "another": [
        "default_transaction_isolation = 'repeatable read'",
        "\"DateStyle\" = 'SQL, MDY'",
        "\"IntervalStyle\" = 'sql_standard'",
        "\"TimeZone\" = 'Pacific/Chatham'",
        "client_encoding = 'LATIN1'",
        "search_path = 'elsewhere, pg_catalog'",
        "extra_float_digits = -15",
        "session_replication_role = 'replica'",
    ],
}

ODD = "größer als 10 €: \\ ' $$"


@contextmanager
def role(server: Server, *defaults: str) -> Iterator[str]:
    """A role that has these defaults, and every right."""
    name = f"role_{uuid4().hex}"
    server.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
    try:
        for default in defaults:
            server.execute(f"ALTER ROLE {name} SET {default}")
        yield name
    finally:
        server.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("defaults", DEFAULTS)
def test_everything_works_whatever_the_defaults_are(postgres_server: Server, defaults: str) -> None:
    with role(postgres_server, *DEFAULTS[defaults]) as name, postgres_server.database(migrated=False, user=name) as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        try:
            migrate(platform.database)
            use_everything(platform)
            platform.task_templates.put(stored_template(name=ODD), if_match=None, if_new=True)
            found = platform.task_templates.get(ODD)
            assert found is not None and found.name == ODD
        finally:
            platform.close()


@pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
def test_transactions_are_read_committed_whatever_the_default_is(
    postgres_server: Server, url: str, isolation: str
) -> None:
    with role(postgres_server, f"default_transaction_isolation = '{isolation}'") as name:
        database = Database(conninfo=make_conninfo(url, user=name))
        try:
            shown = "SELECT current_setting('transaction_isolation') AS shown"
            assert database.rows(shown) == [{"shown": "read committed"}]
            with database.unit_of_work():
                assert database.rows(shown) == [{"shown": "read committed"}]
        finally:
            database.close()


def test_connections_that_the_server_ends_because_they_are_idle_are_replaced_unnoticed(
    postgres_server: Server, url: str
) -> None:
    with role(postgres_server, "idle_session_timeout = '200ms'") as name:
        platform = PostgresPlatform(database=Database(conninfo=make_conninfo(url, user=name), pool_size=2))
        try:
            for task_id in ("a", "b"):
                create(platform, task_id)
                time.sleep(0.5)
            assert platform.tasks.get("b") is not None
        finally:
            platform.close()


def test_where_the_queue_of_notifications_is_full_a_creation_is_acknowledged_and_its_message_found(
    server: Server,
) -> None:
    server.execute("ALTER SYSTEM SET max_notify_queue_pages = 64")
    server.kill()
    server.start()
    with server.database() as url, psycopg.connect(url, autocommit=True) as other:
        # It listens, and does not end its transaction: so the server may forget no notification.
        other.execute("LISTEN anything")
        other.execute("BEGIN")
        other.execute("SELECT 1")
        with psycopg.connect(url, autocommit=True) as many, pytest.raises(psycopg.errors.ProgramLimitExceeded):
            while True:
                many.execute("SELECT pg_notify('anything', repeat('x', 7000) || clock_timestamp())")
        platform = PostgresPlatform(database=Database(conninfo=url))
        try:
            # More than are notified of by the thread that sends.
            for number in range(20):
                create(platform, f"t{number}")
            assert platform.task_reader.depth().waiting == 20
        finally:
            platform.close()
