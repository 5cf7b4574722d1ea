"""A worker whose own code fails, and one with many messages that may have crashed another."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from host.worker import Consumer
from local.environment import PROJECT
from task_service.adapters.postgres.database import Database
from task_service.domain.messages import TaskMessage
from task_service.wiring.postgres import PostgresPlatform
from tests.support.api import eventually
from tests.support.postgres import Server

FAULTY = """
import os
from host import telemetry, worker
from host.settings import Settings

def fail(delivery):
    raise RuntimeError("a fault of ours")

telemetry.install()
worker.is_suspect = fail
worker.run(Settings.from_environment(os.environ))
"""


def test_what_it_has_in_hand_when_it_fails_counts_as_received(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        platform.queue.send(TaskMessage(task_id="t", attempt=1))
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "PYTHONPATH": f"{PROJECT / 'layers' / 'core'}{os.pathsep}{PROJECT}",
        }
        done = subprocess.run(
            [sys.executable, "-c", FAULTY], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60
        )
        [row] = platform.database.rows(
            f"SELECT read_ct, vt > clock_timestamp() AS is_hidden FROM pgmq.q_{platform.task_reader.queue}"
        )
        platform.close()
    assert "a thread of the worker has ended, or hangs" in done.stderr
    assert (done.returncode, row) == (1, {"read_ct": 1, "is_hidden": True})


class SlowProcess:
    """Stands for an isolated process; every event takes it a while."""

    def __init__(self, *, starts: Iterator[bool]) -> None:
        self.handled: Counter[str] = Counter()
        self._starts = starts

    def start(self) -> None:
        if not next(self._starts, True):
            raise BlockingIOError("there are too many processes")

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.4)
        self.handled[event["Records"][0]["body"]] += 1
        return {"batchItemFailures": []}

    def end(self) -> None:
        pass


@pytest.fixture
def platform(postgres_server: Server) -> Iterator[PostgresPlatform]:
    with postgres_server.database() as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        yield platform
        platform.close()


@contextmanager
def working(platform: PostgresPlatform, process: SlowProcess) -> Iterator[Consumer]:
    """A worker with one isolated process, from which messages are hidden for a second."""
    stopping = threading.Event()
    consumer = Consumer(
        reader=platform.task_reader,
        handler=lambda event, context: {"batchItemFailures": []},
        threads=20,
        batch=1,
        function_seconds=60,
        visibility=timedelta(seconds=1),
        stopping=stopping,
        isolated=[cast(Any, process)],
    )
    running = threading.Thread(target=consumer.run)
    running.start()
    try:
        yield consumer
    finally:
        stopping.set()
        platform.listener.stop()
        running.join()
        consumer.give_back()


def leave_suspects(platform: PostgresPlatform, number: int) -> None:
    """Leave messages as a worker does that crashes with them in hand."""
    platform.queue.send_all([TaskMessage(task_id=f"t{place}", attempt=1) for place in range(number)])
    platform.database.rows(f"UPDATE pgmq.q_{platform.task_reader.queue} SET read_ct = 1")


def test_a_message_that_waits_for_an_isolated_process_is_not_received_again(platform: PostgresPlatform) -> None:
    leave_suspects(platform, 15)
    process = SlowProcess(starts=iter(()))
    with working(platform, process):
        eventually(lambda: process.handled.total() >= 15, what="all are handled")
    assert set(process.handled.values()) == {1}
    assert platform.dead_letter_reader.depth().waiting == 0


def test_a_worker_that_stops_gives_back_what_waits_for_an_isolated_process(platform: PostgresPlatform) -> None:
    leave_suspects(platform, 15)
    process = SlowProcess(starts=iter(()))
    with working(platform, process):
        eventually(lambda: process.handled, what="one is handled")
    assert process.handled.total() < 5
    assert platform.task_reader.depth().waiting == 15 - process.handled.total()


def test_a_message_waits_until_an_isolated_process_can_be_started(platform: PostgresPlatform) -> None:
    leave_suspects(platform, 2)
    process = SlowProcess(starts=iter([False, False]))
    with working(platform, process):
        eventually(lambda: process.handled.total() >= 2, what="all are handled")
    assert set(process.handled.values()) == {1}


def test_a_worker_whose_thread_fails_knows_it(platform: PostgresPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_suspects(platform, 1)

    def fail(receipts: object) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(platform.task_reader, "delete", fail)
    with working(platform, SlowProcess(starts=iter(()))) as consumer:
        eventually(lambda: consumer.is_broken(), what="it knows")
