"""A process of a host that hangs is replaced."""

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from host import supervisor, worker
from host.heartbeat import Heartbeats
from host.settings import Settings
from host.supervisor import Supervisor, _Place
from host.worker import Consumer
from local.environment import PROJECT
from task_service.adapters.postgres.queue_reader import Delivery
from tests.support.api import eventually


def test_a_process_that_has_not_beaten_yet_still_starts_and_not_for_ever() -> None:
    heartbeats = Heartbeats(hangs_after=2)
    with heartbeats.theirs:
        assert not any(heartbeats.hangs(1) for _ in range(300))
        assert [heartbeats.hangs(1) for _ in range(3)] == [False, False, True]
    heartbeats.close()


def test_a_process_hangs_when_so_many_looks_hear_nothing_after_a_beat() -> None:
    heartbeats = Heartbeats(hangs_after=2)
    with heartbeats.theirs as process:
        for _ in range(2):
            process.send(b"..")
            assert [heartbeats.hangs(1) for _ in range(6)] == [False, False, False, True, False, False]
    heartbeats.close()


BEAT = "from host.heartbeat import beat; beat()"
STOPPED = f"{BEAT}; import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
IN_AN_ENDLESS_LOOP = f"{BEAT}\nwhile True: pass"
"""What a process does."""


class Looked:
    """A supervisor with one process, which hangs."""

    def __init__(self, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._program = program
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(program.parent))
        monkeypatch.setattr(supervisor, "Heartbeats", lambda hangs_after: Heartbeats(hangs_after=0.5))
        self._supervisor = Supervisor(settings=Settings(), kinds=("worker",))
        self.place: _Place | None = None

    def starts(self, code: str) -> None:
        self._program.write_text(f"#!{PYTHON}\nimport sys\nsys.path.insert(0, {str(PROJECT)!r})\n{code}\n")
        self._program.chmod(0o700)
        self.place = self._supervisor._place("worker")

    def look(self) -> int:
        """Look once, as the supervisor does 20 times a second; the process that runs then."""
        assert self.place is not None
        self._supervisor._look_at(self.place)
        return self.place.process.pid

    def end(self) -> None:
        if self.place is not None:
            self.place.process.kill()
            self.place.process.wait()
            self.place.heartbeats.close()


PYTHON = sys.executable


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    """A supervisor that looks when it is told to."""
    looked = Looked(tmp_path / "program", monkeypatch)
    yield looked
    looked.end()


@pytest.mark.parametrize("code", [STOPPED, IN_AN_ENDLESS_LOOP], ids=["stopped", "in an endless loop"])
def test_a_process_that_hangs_is_killed_and_another_one_started(
    looked: Looked, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    looked.starts(code)
    hanging = looked.look()
    eventually(lambda: looked.look() != hanging, what="another process runs")
    assert [record.message for record in caplog.records] == ["a process hangs", "a process has ended"]


def test_a_worker_knows_that_a_function_does_not_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "OVERDUE", 0.0)
    returns, stopping, reader = threading.Event(), threading.Event(), MagicMock()
    message = Delivery(receipt="1.1", message_id="1", body="{}", receives=1, sent_at=datetime.now(UTC))
    received = iter([[message]])

    def receive(**_: Any) -> list[Delivery]:
        stopping.wait(0.01)
        return next(received, [])

    reader.receive = receive

    def function(event: dict[str, Any], context: Any) -> dict[str, Any]:
        returns.wait()
        return {"batchItemFailures": []}

    consumer = Consumer(
        reader=cast(Any, reader),
        handler=function,
        threads=1,
        batch=1,
        function_seconds=0.05,
        visibility=timedelta(seconds=1),
        stopping=stopping,
    )
    running = threading.Thread(target=consumer.run)
    running.start()
    try:
        eventually(consumer.is_broken, what="the function is overdue")
        returns.set()
        eventually(lambda: not consumer.is_broken(), what="the function has returned")
    finally:
        returns.set()
        stopping.set()
        running.join()
