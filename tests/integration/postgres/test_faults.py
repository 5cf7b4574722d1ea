"""What PostgreSQL does to us: it is killed, or has no disk left; and what we do to it.

Every failure is Unavailable with its reason, and nothing that was acknowledged is lost.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from task_service.adapters.postgres.database import Database, Patience
from task_service.domain.errors import Unavailable
from task_service.domain.messages import message_of
from task_service.domain.retry import Failed
from task_service.domain.task import Body, State
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres.conftest import Host, assert_nothing_is_lost, create
from tests.support.builders import task
from tests.support.postgres import Server

LONG = timedelta(minutes=1)


class Writers:
    """Threads that create tasks until they are stopped, and remember what was acknowledged."""

    def __init__(self, platform: PostgresPlatform, *, threads: int = 4, **changes: object) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self._platform = platform
        self._changes = changes
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            task_id = str(uuid4())
            try:
                create(self._platform, task_id, **self._changes)
                self.acknowledged.append(task_id)
            except Unavailable:
                self.refused += 1

    def wait_for(self, number: int) -> None:
        """Return once so many more are acknowledged."""
        enough = len(self.acknowledged) + number
        while len(self.acknowledged) < enough:
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


# -- killed


def test_what_was_acknowledged_is_there_after_the_server_was_killed(server: Server) -> None:
    with server.database() as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        writers = Writers(platform)
        for _ in range(2):
            writers.wait_for(50)
            server.kill()
            server.start()
        writers.wait_for(50)
        writers.stop()
        assert len(writers.acknowledged) >= 150
        assert_nothing_is_lost(platform, writers.acknowledged)
        platform.close()


def test_a_server_that_is_down_is_unavailable_for_as_long_as_it_is(server: Server) -> None:
    with server.database() as url:
        patience = Patience(connection=0.3, tries=2)
        platform = PostgresPlatform(database=Database(conninfo=url, patience=patience))
        create(platform, "before")
        server.kill()
        for attempt in (platform.tasks.ping, platform.queue.ping, lambda: create(platform, "down")):
            with pytest.raises(Unavailable, match=r"^postgresql: "):
                attempt()
        server.start()
        waiting = PostgresPlatform(database=Database(conninfo=url))
        create(waiting, "after")
        assert_nothing_is_lost(waiting, ["before", "after"])
        waiting.close()
        platform.close()


# -- what is a bug stays one


def test_a_fault_of_ours_is_not_unavailable(platform: PostgresPlatform) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        platform.database.rows("""
            INSERT INTO task_service.tasks (id, name, state, attempt, created_at, expires_at, in_list)
            VALUES ('t', 'n', 'odd', 1, now(), now(), false)
        """)
    with pytest.raises(psycopg.errors.SyntaxError):
        platform.database.rows("SELEC 1")
    assert platform.database.rows("SELECT 1 AS one") == [{"one": 1}]


@pytest.mark.parametrize("odd", ["nul\0", "half \ud800"])
def test_what_a_column_cannot_hold_is_not_there(platform: PostgresPlatform, odd: str) -> None:
    assert platform.tasks.get(odd) is None
    assert platform.lists.get(odd) is None
    assert platform.lists.records(odd) is None
    assert platform.task_templates.get(odd) is None
    assert platform.task_templates.delete(odd, if_match=None) is False
    now = platform.clock()
    assert platform.tasks.cancel(odd, reason="why", now=now).task is None


def test_a_reason_that_a_column_cannot_hold_is_kept_without_it(platform: PostgresPlatform) -> None:
    platform.tasks.add(task("t"))
    now = platform.clock()
    claim = platform.tasks.claim(message_of(task("t")), now=now, lease_until=now + LONG, holder="a")
    assert claim.task is not None
    assert platform.tasks.finish(claim.task, Failed(error="odd \0 and \ud800"), result=None, now=now)
    failed = platform.tasks.get("t")
    assert failed is not None
    assert (failed.state, failed.error) == (State.FAILED, "odd \N{REPLACEMENT CHARACTER} and ?")


def test_no_failure_tells_what_was_written(host: Host) -> None:
    platform = host(patience=Patience(statement=0.2))
    with pytest.raises(Unavailable) as failure:
        platform.database.rows("SELECT %(secret)s, pg_sleep(5)", {"secret": "s3cret"})
    assert "s3cret" not in failure.value.message


# -- disk full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB, with an empty folder for a server's data."""
    folder = Path(f"/mnt/task-service-{uuid4().hex}")
    with suppress(OSError):
        folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_a_full_disk_refuses_clearly_and_loses_nothing(small_disk: Path) -> None:
    server = Server(small_disk / "data")
    try:
        with server.database() as url:
            patience = Patience(connection=2)
            platform = PostgresPlatform(database=Database(conninfo=url, patience=patience))
            acknowledged: list[str] = []
            failures: set[str] = set()
            while len(failures) < 1 or len(acknowledged) < 3:
                task_id = str(uuid4())
                try:
                    create(platform, task_id, request=Body(text=os.urandom(15_000).hex()))
                    acknowledged.append(task_id)
                except Unavailable as failure:
                    failures.add(failure.message)
            assert failures == {"postgresql: DiskFull"}
            # The operator makes room.
            subprocess.run(["mount", "-o", "remount,size=192m", small_disk], check=True)
            server.start()
            create(platform, "after")
            assert_nothing_is_lost(platform, [*acknowledged, "after"])
            platform.close()
    finally:
        server.stop()
