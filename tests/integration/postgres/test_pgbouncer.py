"""Through PgBouncer in transaction mode itself, where it is installed; `test_sessions` checks the same everywhere."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate
from task_service.domain.messages import message_of
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres.conftest import assert_nothing_is_lost, create
from tests.integration.postgres.test_sessions import use_everything
from tests.support.builders import task
from tests.support.postgres import Server

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
PORT = "6543"
LONG = timedelta(minutes=1)

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def direct(postgres_server: Server) -> Iterator[str]:
    """An empty database."""
    with postgres_server.database(migrated=False) as url:
        yield url


@pytest.fixture
def pooled(direct: str) -> Iterator[str]:
    """The same database through PgBouncer, which has three connections to it."""
    folder = Path(tempfile.mkdtemp(prefix="task-service-pgbouncer-"))
    folder.chmod(0o777)
    server = Path(str(conninfo_to_dict(direct)["host"]))
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(f"""
[databases]
* = host={server} user=postgres
[pgbouncer]
pool_mode = transaction
default_pool_size = 3
unix_socket_dir = {folder}
listen_port = {PORT}
auth_type = any
auth_file = {folder}/users
""")
    # Only the server's user reaches its socket, and PgBouncer does not run as root.
    owner = pwd.getpwuid(server.stat().st_uid).pw_name
    as_owner = ["-u", owner] if os.geteuid() == 0 else []
    with subprocess.Popen(
        [str(PGBOUNCER), *as_owner, "-q", str(folder / "pgbouncer.ini")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not (folder / f".s.PGSQL.{PORT}").exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield make_conninfo(direct, host=str(folder), port=PORT)
        process.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def test_everything_works_through_it(pooled: str) -> None:
    platform = PostgresPlatform(database=Database(conninfo=pooled))
    assert migrate(platform.database)
    platform.tasks.ping()
    use_everything(platform)
    platform.close()


def test_more_threads_than_connections_create_side_by_side(pooled: str) -> None:
    platform = PostgresPlatform(database=Database(conninfo=pooled))
    migrate(platform.database)

    names = [str(number) for number in range(200)]
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda name: create(platform, name), names))
    assert_nothing_is_lost(platform, names)
    platform.close()


@pytest.mark.parametrize("listens", [False, True], ids=["by itself", "woken past it"])
def test_a_reader_gets_what_is_sent(pooled: str, direct: str, listens: bool) -> None:
    listening = Database(conninfo=direct) if listens else None
    platform = PostgresPlatform(database=Database(conninfo=pooled), listening=listening)
    migrate(platform.database)
    assert platform.task_reader.receive(most=1, visibility=LONG, wait=timedelta(seconds=1)) == []
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        platform.queue.send(message_of(task("t")))

    timer = threading.Timer(0.2, send)
    timer.start()
    assert len(platform.task_reader.receive(most=1, visibility=LONG, wait=timedelta(seconds=10))) == 1
    took = time.monotonic() - sent[0]
    timer.join()
    assert took < (0.5 if listens else 2)
    platform.close()
