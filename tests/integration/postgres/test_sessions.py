"""PgBouncer in transaction mode gives every transaction another connection: so nothing may stay in one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from task_service.adapters.postgres.connection import CONNECTING, Connection, resolve
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate
from task_service.domain.messages import Received, TaskMessage, message_of
from task_service.domain.search import Filter
from task_service.testing import ScriptedOutside
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.support.builders import order, stored_template, task, task_list
from tests.support.postgres import Server

LONG = timedelta(minutes=1)

LEFT_BEHIND = {
    "settings": "SELECT name FROM pg_settings WHERE source = 'session' AND name <> 'application_name'",
    "prepared statements": "SELECT name FROM pg_prepared_statements",
    "cursors": "SELECT name FROM pg_cursors",
    "locks": "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "channels": "SELECT pg_listening_channels()",
    "temporary tables": "SELECT relname FROM pg_class WHERE relpersistence = 't'",
}


@pytest.fixture
def one_connection(url: str) -> Iterator[PostgresPlatform]:
    """A host with one connection, through which everything goes."""
    platform = PostgresPlatform(database=Database(conninfo=url, pool_size=1))
    yield platform
    platform.close()


def use_everything(platform: PostgresPlatform) -> None:
    """Call every port, and what the host needs."""
    services = Services(settings=Settings({}), platform=platform, outside=ScriptedOutside())
    platform.task_templates.put(stored_template(), if_match=None, if_new=False)
    services.keyed_creator.create(services.task_creator, "key", "task", order())
    created = task("t")
    platform.tasks.add(created)
    platform.tasks.replay("t", number=1)
    a_list = task_list("l")
    platform.lists.add(a_list)
    platform.lists.start_group(a_list, 0, parallel=200, failed_before=False)
    platform.lists.end_task(a_list, 0, 0, well=True, parallel=200)
    platform.lists.records("l")
    list(platform.lists.results("l", 0))
    platform.search.tasks(Filter(), limit=10, before=None, now=platform.clock())
    platform.bodies.load(platform.bodies.store("key", "1" * 100_000))
    platform.queue.send_all([TaskMessage(task_id="t", attempt=1)] * 5)
    received = platform.task_reader.receive(most=10, visibility=LONG)
    platform.task_reader.hide([received[0].receipt], until=platform.clock())
    platform.task_reader.give_back([received[1].receipt])
    platform.task_reader.move_to_dead_letters([received[2].receipt])
    platform.task_reader.delete([received[3].receipt])
    platform.task_reader.depth()
    platform.unreadable.keep("text", message_id="1", reason="why")
    given = Received(
        message=TaskMessage(task_id="t", attempt=1), id=received[4].message_id, receipt=received[4].receipt
    )
    platform.queue.give_back([given])
    platform.retention(LONG).remove_some()
    platform.notifier.stop()
    migrate(platform.database)


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_nothing_is_left_behind_in_a_connection(one_connection: PostgresPlatform, what: str) -> None:
    use_everything(one_connection)
    connection = one_connection.database._shared.pool("", 1).getconn()
    try:
        assert connection.execute(LEFT_BEHIND[what]).fetchall() == []
    finally:
        one_connection.database._shared.pool("", 1).putconn(connection)


def test_every_transaction_may_have_another_connection(platform: PostgresPlatform, monkeypatch: Any) -> None:
    execute = Connection.execute

    def execute_and_forget(self: Connection, *arguments: Any, **options: Any) -> Any:
        cursor = execute(self, *arguments, **options)
        if self.info.transaction_status is psycopg.pq.TransactionStatus.IDLE and cursor.description is None:
            execute(self, "DISCARD ALL")
        return cursor

    monkeypatch.setattr(Connection, "execute", execute_and_forget)
    use_everything(platform)


def test_the_startup_message_has_nothing_that_pgbouncer_does_not_know() -> None:
    # Parameters of libpq itself do not travel; `options` would.
    assert "options" not in CONNECTING
    assert "options" not in resolve("postgresql://host/name")


def test_what_the_url_says_goes_before_our_defaults() -> None:
    resolved = resolve("postgresql://user@host/name?sslmode=verify-full&connect_timeout=1&target_session_attrs=any")
    assert "sslmode=verify-full" in resolved
    assert "connect_timeout=1" in resolved
    assert "target_session_attrs=any" in resolved
    assert "tcp_user_timeout=10000" in resolved


def test_a_password_that_is_rotated_is_asked_for_with_every_connection(postgres_server: Server, url: str) -> None:
    asked: list[str] = []

    def conninfo() -> str:
        asked.append(url)
        return url

    database = Database(conninfo=conninfo, pool_size=1)
    for _ in range(2):
        database.rows("SELECT 1")
        database.close()
    assert len(asked) == 2


def test_the_url_with_its_password_is_not_shown() -> None:
    database = Database(conninfo="postgresql://user:s3cret@host/name")
    assert "s3cret" not in repr(database)
    assert "s3cret" not in repr(PostgresPlatform(database=database, client_secret="s3cret"))


def test_a_message_that_is_sent_in_a_unit_is_claimed_in_another(platform: PostgresPlatform) -> None:
    created = task("t")
    with platform.unit_of_work():
        platform.tasks.add(created)
        platform.queue.send(message_of(created))
    with platform.unit_of_work():
        [message] = platform.task_reader.receive(most=1, visibility=LONG)
        now = platform.clock()
        assert platform.tasks.claim(message_of(created), now=now, lease_until=now + LONG, holder="a").won
        platform.task_reader.delete([message.receipt])
