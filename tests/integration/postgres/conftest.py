"""Databases for the tests of what only the PostgreSQL adapters have."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from task_service.adapters.postgres.database import Database, Patience
from task_service.domain.messages import message_of
from task_service.wiring.postgres import PostgresPlatform
from tests.support.builders import task
from tests.support.postgres import Server

Host = Callable[..., PostgresPlatform]
"""Makes one more host of a database; its Patience may be given."""


def create(platform: PostgresPlatform, task_id: str, **changes: object) -> None:
    """Create a task as the api function does."""
    created = task(task_id, **changes)
    with platform.unit_of_work():
        platform.tasks.add(created)
        platform.queue.send(message_of(created))


def assert_nothing_is_lost(platform: PostgresPlatform, acknowledged: list[str]) -> None:
    """Each has its record and its message, and no message is there without its record."""
    records = {row["id"] for row in platform.database.rows("SELECT id FROM task_service.tasks")}
    messages = {
        row["id"]
        for row in platform.database.rows(
            "SELECT (message #>> '{}')::jsonb ->> 'id' AS id FROM pgmq.q_task_service_tasks"
        )
    }
    assert set(acknowledged) <= records
    assert records == messages


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    """A database of this test, with every migration."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def host(url: str) -> Iterator[Host]:
    """Makes hosts of this test's database, and ends them."""
    with ExitStack() as hosts:

        def make(pool_size: int = 10, patience: Patience | None = None) -> PostgresPlatform:
            database = Database(conninfo=url, pool_size=pool_size, patience=patience or Patience())
            platform = PostgresPlatform(database=database)
            hosts.callback(platform.close)
            return platform

        yield make


@pytest.fixture
def platform(host: Host) -> PostgresPlatform:
    """A host of this test's database."""
    return host()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test, which it may kill."""
    server = Server()
    yield server
    server.stop()
