"""Processes of a host are killed: what was acknowledged ends, and no task is called twice at once."""

import json
import os
import random
import shutil
import signal
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.own_server import OwnServer
from task_service.usecases.handle_dead_letter import REASON
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, hang
from tests.support.events import structured
from tests.support.hosts import FaultyHost
from tests.support.nats import publish_durably
from tests.support.targets import HttpTarget
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

SHORT_LEASES = {"EXECUTOR_TIMEOUT_SECONDS": "7", "VISIBILITY_TIMEOUT_SECONDS": "8"}

CLOCKS_DIFFER = 0.05
"""Seconds by which the database's clock and this process's may seem to differ."""


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_a_process_that_is_killed_is_replaced(faulty: FaultyHost, target: HttpTarget, kind: str) -> None:
    before = {process.pid for process in faulty.processes(kind)}
    faulty.kill(kind)
    faulty.wait_for(kind, other_than=before)
    name = faulty.api.template(target.on("/", answer()))
    assert faulty.ended(faulty.create(f"/v1/task/{name}", f"after-{kind}"))["status"] == "done"


def test_a_host_that_is_killed_is_started_again(faulty: FaultyHost, target: HttpTarget) -> None:
    os.kill(faulty.server.host_pid, signal.SIGKILL)
    said = eventually(lambda: list(faulty.server.supervise()), what="it is noticed")
    assert said == ["The host has ended with exit code -9; it is started again."]
    eventually(faulty.is_alive, what="the API answers again")
    name = faulty.api.template(target.on("/", answer()))
    assert faulty.ended(faulty.create(f"/v1/task/{name}", "after-host"))["status"] == "done"


def test_a_task_whose_worker_is_killed_is_called_again_after_its_lease(faulty: FaultyHost, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", hang(answer(), seconds=60)))
    task_id = faulty.create(f"/v1/task/{name}", "lease")
    target.wait_for_calls(1)
    faulty.kill("worker")
    target.on("/", answer())
    assert faulty.ended(task_id)["status"] == "done"
    assert len(target.calls) == 2


def test_a_worker_that_is_stopped_finishes_what_it_can(faulty: FaultyHost, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer(after=0.5)))
    task_id = faulty.create(f"/v1/task/{name}", "stop")
    target.wait_for_calls(1)
    for process in faulty.processes("worker"):
        process.terminate()
    assert faulty.ended(task_id)["status"] == "done"
    assert len(target.calls) == 1


def test_a_message_that_crashes_its_worker_takes_others_with_it_once(faulty: FaultyHost, target: HttpTarget) -> None:
    def crash(wire: Wire) -> None:
        faulty.kill_on(wire.client_port)

    def workers() -> set[int]:
        return {process.pid for process in faulty.processes("worker")}

    eventually(lambda: len(workers()) == 2, what="both workers have started")
    before = workers()
    culprit = faulty.api.template(target.on("/culprit", crash))
    healthy = faulty.api.template(target.on("/healthy", answer(after=0.2)))
    guilty = faulty.create(f"/v1/task/{culprit}", "guilty")
    innocent = [faulty.create(f"/v1/task/{healthy}", f"innocent-{number}") for number in range(20)]
    eventually(lambda: workers() != before and len(workers()) == 2, what="the worker that it has crashed is replaced")
    after = workers()
    eventually(lambda: len(target.calls_to("/culprit")) == 2, what="it has crashed again")

    assert {faulty.ended(task_id)["status"] for task_id in innocent} == {"done"}
    calls = Counter(call.idempotency_key for call in target.calls_to("/healthy"))
    assert max(calls.values()) <= 2
    assert workers() == after
    assert faulty.api.call("POST", f"/v1/tasks/{guilty}/cancel").status == 200


def test_everything_is_killed_at_random_and_everything_ends(faulty: FaultyHost, target: HttpTarget) -> None:
    # `KILLED_TASKS=2000` has so many, and more kills.
    many = int(os.environ.get("KILLED_TASKS", "240"))
    mixed = Mixed(faulty, target)
    kills = max(8, many // 100)
    # A bridge that ends again and again is given up, so it is killed once.
    doomed = ["bridge", "api", "worker", "database", *random.choices(["api", "worker", "database"], k=kills - 4)]
    with ThreadPoolExecutor(8) as clients:
        creating = [clients.submit(mixed.create, number) for number in range(many)]
        publishing = clients.submit(mixed.publish, many // 10)
        for at, what in enumerate(doomed, start=1):
            target.wait_for_calls(at * many // kills, seconds=120)
            faulty.kill_any(what)
        created = [each.result() for each in creating]
        published = publishing.result()

    unexpected = [why for path, record_id in created for why in mixed.unexpected(path, record_id)]
    # Whose executor is killed five times fails, which is rare where kills are.
    assert set(unexpected) <= {REASON}
    assert len(unexpected) < many / 5
    eventually(lambda: mixed.event_tasks().count("done") == published, what="each event has made a task")
    target.wait_until_idle()
    assert len(mixed.event_tasks()) == published
    assert target.most_of_any_key == 1
    assert mixed.calls_after_success() == []


ENDS = {"quick": "done", "slow": "done", "flaky": "done", "wrong": "failed", "list": "done", "sequence": "done"}
"""How each kind of task and list ends."""


class Mixed:
    """Tasks and lists of every kind, and events."""

    def __init__(self, faulty: FaultyHost, target: HttpTarget) -> None:
        self.faulty, self.target = faulty, target
        api, retry = faulty.api, {"minDelaySeconds": 0.1, "maxDelaySeconds": 1}
        api.template(target.on("/quick", answer(after=0.02)), "quick")
        api.template(target.on("/slow", answer(after=0.5)), "slow")
        api.template(target.on("/flaky", self._flaky), "flaky", retry=retry)
        api.template(target.on("/wrong", answer(503)), "wrong", retry={"maxAttempts": 1})
        self._put("/v1/policies/test/events/keep/1.0", {"source": "package events.keep\n\nkey := input.key"})
        self._put("/v1/taskTemplates/on-event", {"requestPolicy": "test/events/keep/1.0"})
        self._put("/v1/eventTasks", {"key": "k", "namespace": "n", "scope": "s", "taskName": "on-event"})
        self._put("/v1/taskListTemplates/list", {"groups": [{"execution": "parallel", "tasks": ["quick"] * 5}]})
        self._put("/v1/taskListTemplates/sequence", {"groups": [{"execution": "sequential", "tasks": ["quick"] * 3}]})
        self._refused: set[str | None] = set()

    def create(self, number: int) -> tuple[str, str]:
        """Create one of a kind; returns where it was created, and its id."""
        kind = [*ENDS][number % len(ENDS)]
        path = f"/v1/task/{kind}" if kind not in ("list", "sequence") else f"/v1/taskList/{kind}"
        return path, self.faulty.create(path, f"{kind}-{number}")

    def publish(self, count: int) -> int:
        """Publish so many events, each until the stream has it; returns how many there are."""
        data = {"key": "k,n,s"}
        publish_durably(self.faulty.server.nats_url, [structured(str(n), data=data) for n in range(count)], at={})
        return count

    def unexpected(self, path: str, record_id: str) -> list[str]:
        """Why a task or a list has ended in another way than it should; waits for its end."""
        expected = ENDS[path.rpartition("/")[2]]
        if "taskList" not in path:
            status = self.faulty.ended(record_id)
            return [] if status["status"] == expected else [str(status["error"])]
        status = self.faulty.list_ended(record_id)
        if status["status"] == expected:
            return []
        states = {task["id"]: task["status"] for task in status["groups"][0]["tasks"]}
        # The tasks of a sequence after the one that has failed have no record.
        first = next(task_id for task_id, state in states.items() if state == "failed")
        return [str(self.faulty.ended(first)["error"])]

    def event_tasks(self) -> list[str]:
        """The states of the tasks that events have made."""
        rows = self.faulty.database.execute("SELECT state FROM task_service.tasks WHERE name = 'on-event'")
        return [str(state) for (state,) in rows]

    def calls_after_success(self) -> list[str]:
        """The tasks that were called although it was written that they are done."""
        rows = self.faulty.database.execute(
            "SELECT id, extract(epoch FROM finished_at) FROM task_service.tasks WHERE state = 'done'"
        )
        done = {str(task_id): float(str(at)) for task_id, at in rows}
        epoch = time.time() - time.monotonic()
        return [
            call.idempotency_key
            for call in self.target.calls
            if call.idempotency_key in done and call.started + epoch > done[call.idempotency_key] + CLOCKS_DIFFER
        ]

    def _flaky(self, wire: Wire) -> None:
        key = wire.call.idempotency_key
        (answer() if key in self._refused else answer(503))(wire)
        self._refused.add(key)

    def _put(self, path: str, document: dict[str, Any]) -> None:
        answered = self.faulty.api.call("PUT", path, json.dumps(document))
        assert answered.status in (200, 201), answered


def test_metrics_count_every_process(faulty: FaultyHost, target: HttpTarget) -> None:
    def done() -> float:
        text = urllib.request.urlopen(faulty.server.metrics_url, timeout=10).read().decode()
        lines = [line for line in text.splitlines() if line.startswith("task_service_done_total")]
        return float(lines[0].split()[1]) if lines else 0.0

    before = done()
    name = faulty.api.template(target.on("/", answer()))
    tasks = [faulty.create(f"/v1/task/{name}", f"metrics-{number}") for number in range(40)]
    assert {faulty.ended(task_id)["status"] for task_id in tasks} == {"done"}
    eventually(lambda: done() == before + 40, what="40 more are done")


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder for PostgreSQL, which another user has to reach where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="task-service-postgres-"))
    yield folder
    shutil.rmtree(folder)
    folder.with_suffix(".lock").unlink()


def test_what_was_created_is_there_after_everything_is_killed(data: Path, tmp_path: Path, target: HttpTarget) -> None:
    with OwnServer(directory=tmp_path / "first", data=data, settings=SHORT_LEASES, examples=False) as first:
        api = Api(first.api_url)
        done = api.create(api.template(target.on("/done", answer(body=b'"kept"'))))
        api.done(done)
        name = api.template(target.on("/later", hang(seconds=60)), "later")
        running = api.create(name)
        target.wait_for_calls(2)

        postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        doomed = [postmaster, *(psutil.Process(pid) for pid in first.pids.values())]
        doomed += [child for parent in doomed for child in parent.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(doomed, timeout=10)

    target.on("/later", answer())
    with OwnServer(directory=tmp_path / "second", data=data, settings=SHORT_LEASES, examples=False) as second:
        again = Api(second.api_url)
        assert again.result(done).json() == "kept"
        again.done(again.create("later"))
        again.done(running)
