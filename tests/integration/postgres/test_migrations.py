"""Migrations: each once, in order, whole or not at all, however many hosts start."""

import threading
from dataclasses import replace

import psycopg
import pytest

from task_service.adapters.postgres import migrate as module
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import Migration, migrate, migrations
from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage
from task_service.wiring.postgres import PostgresPlatform
from tests.support.builders import task
from tests.support.postgres import Server

ALL = [f"{migration.number:04} {migration.name}" for migration in migrations()]
LAST = migrations()[-1].number


def applied(database: Database) -> list[str]:
    rows = database.rows("SELECT number, name FROM task_service.migrations ORDER BY number")
    return [f"{row['number']:04} {row['name']}" for row in rows]


def test_they_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(ALL) + 1))


def test_an_empty_database_gets_them_all_and_then_none(postgres_server: Server) -> None:
    with postgres_server.database(migrated=False) as url:
        database = Database(conninfo=url)
        assert migrate(database) == ALL
        assert migrate(database) == []
        assert applied(database) == ALL
        database.close()


def test_of_hosts_that_start_at_once_each_migration_is_applied_by_one(postgres_server: Server) -> None:
    with postgres_server.database(migrated=False) as url:
        hosts = [Database(conninfo=url) for _ in range(6)]
        start = threading.Barrier(len(hosts))
        done: list[str] = []
        failures: list[BaseException] = []

        def run(database: Database) -> None:
            start.wait()
            try:
                done.extend(migrate(database))
            except (Unavailable, psycopg.Error) as failure:
                failures.append(failure)

        threads = [threading.Thread(target=run, args=(database,)) for database in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sorted(done) == ALL
        assert applied(hosts[0]) == ALL
        for database in hosts:
            database.close()


def test_one_that_fails_leaves_nothing_and_those_before_it_stay(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = LAST + 1
    broken = Migration(number=number, name="broken", sql="CREATE TABLE task_service.half (id int); SELECT 1/0")
    mended = replace(broken, sql="CREATE TABLE task_service.half (id int)")
    with postgres_server.database(migrated=False) as url:
        database = Database(conninfo=url)
        monkeypatch.setattr(module, "migrations", lambda: (*migrations(), broken))
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(database)
        assert applied(database) == ALL
        assert database.rows("SELECT to_regclass('task_service.half') AS half") == [{"half": None}]
        monkeypatch.setattr(module, "migrations", lambda: (*migrations(), mended))
        assert migrate(database) == [f"{number:04} broken"]
        database.close()


def test_a_database_that_has_pgmq_keeps_it(postgres_server: Server) -> None:
    with postgres_server.database(migrated=False) as url:
        database = Database(conninfo=url)
        database.rows(migrations()[0].sql)
        database.rows("SELECT pgmq.create('other')")
        assert migrate(database) == ALL
        assert database.rows("SELECT queue_name FROM pgmq.list_queues() WHERE queue_name = 'other'")
        database.close()


def test_a_host_is_not_ready_before_the_schema_is(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server.database(migrated=False) as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        with pytest.raises(Unavailable, match="postgresql: UndefinedTable"):
            platform.tasks.ping()
        with pytest.raises(Unavailable, match="postgresql: UndefinedTable"):
            platform.tasks.add(task("t"))
        with pytest.raises(Unavailable, match=r"postgresql: (UndefinedTable|InvalidSchemaName)"):
            platform.queue.send(TaskMessage(task_id="t", attempt=1))
        migrate(platform.database)
        platform.tasks.ping()
        later = Migration(number=LAST + 1, name="later", sql="SELECT 1")
        monkeypatch.setattr(module, "migrations", lambda: (*migrations(), later))
        with pytest.raises(Unavailable, match=f"the schema is at migration {LAST}, {LAST + 1} is needed"):
            platform.tasks.ping()
        platform.close()


def test_a_release_before_the_last_migration_goes_on(platform: PostgresPlatform) -> None:
    platform.database.rows("INSERT INTO task_service.migrations (number, name) VALUES (999, 'of a later release')")
    platform.tasks.ping()
    assert migrate(platform.database) == []


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="postgresql: the connection is lost"):
        migrate(Database(conninfo="postgresql://127.0.0.1:1/nothing"))


def test_the_package_of_pgmq_is_the_one_of_the_first_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.cache_clear()
    monkeypatch.setattr("pgmq.install.get_embedded_sql_version", lambda: "2.0.0")
    with pytest.raises(RuntimeError, match=r"has the SQL of 2\.0\.0, the first migration is that of 1\.13\.0"):
        migrations()
    monkeypatch.undo()
    migrations()
