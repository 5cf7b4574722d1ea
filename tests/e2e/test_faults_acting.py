"""What is created with a key, replayed and cancelled while functions are killed and answers get lost."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

import pytest

from task_service.usecases.handle_dead_letter import REASON as GIVEN_UP
from tests.support.api import Answer, eventually
from tests.support.aws_proxy import PassOn, Reply, answer_lost, refused, throttled
from tests.support.behaviours import answer, hang
from tests.support.faulty_cloud import VISIBILITY_SECONDS, FaultyCloud
from tests.support.killer import Killer
from tests.support.targets import HttpTarget
from tests.support.task_lists import list_template
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

TASKS = 30
LISTS = 6
NO_RETRY = {"maxAttempts": 1}
IMPOSSIBLE = 409
STATUSES = (201, 202, 207)


class MendedTarget:
    """Answers 500 to the first call of every task, and says which tasks it is called for after they were done."""

    def __init__(self, faulty: FaultyCloud) -> None:
        self.calls: Counter[str] = Counter()
        self.called_again: list[str] = []
        self._faulty = faulty
        self._lock = threading.Lock()

    def behave(self, wire: Wire) -> None:
        key = wire.call.idempotency_key or ""
        with self._lock:
            self.calls[key] += 1
            is_first = self.calls[key] == 1
        if self._faulty.state(key) in ("done", "failed"):
            self.called_again.append(key)
        wire.pause(random.uniform(0.0, 0.1))
        answer(500 if is_first else 200, b'"called"')(wire)


def disturbed(pass_on: PassOn) -> Reply:
    """One request in ten is refused, throttled, or done without an answer."""
    fault = random.choices([None, answer_lost, refused(), throttled()], weights=[90, 4, 3, 3])[0]
    return fault(pass_on) if fault else pass_on()


@contextmanager
def disorder(faulty: FaultyCloud, target: HttpTarget) -> Iterator[Killer]:
    """Meanwhile requests of the functions fail, and functions are killed, those of the API too."""
    over = threading.Event()

    def kill_apis() -> None:
        while not over.wait(random.uniform(2.0, 4.0)):
            if processes := faulty.processes("ApiFunction"):
                faulty.kill([random.choice(processes)])
            # The emulator takes a second or two to start another one, on a busy machine many: it has to answer first.
            insist(faulty, "GET", "/liveness")

    apis = threading.Thread(target=kill_apis, name="kill-apis")
    apis.start()
    try:
        with faulty.proxy.broken("*", disturbed), Killer(faulty, target) as killer:
            yield killer
    finally:
        over.set()
        apis.join()


def insist(
    faulty: FaultyCloud, method: str, path: str, key: str | None = None, *, also: tuple[int, ...] = ()
) -> Answer:
    """Call until there is an answer that says more than that it is not possible now."""
    headers = {"Idempotency-Key": key} if key else {}

    def attempt() -> Answer | None:
        try:
            reply = faulty.api.call(method, path, "{}" if key else None, headers)
        except (OSError, HTTPException):
            return None
        assert reply.status in (200, 500, 502, 503, 504, *also), reply
        return reply if reply.status in (200, *also) else None

    done: Answer = eventually(attempt, what=f"{path} is answered")
    return done


def test_keys_make_one_task_each_and_every_replay_ends_well(faulty: FaultyCloud, target: HttpTarget) -> None:
    mended = MendedTarget(faulty)
    name = faulty.api.template(target.on("/mends", mended.behave), retry=NO_RETRY)

    def create(number: int) -> str:
        task_id: str = insist(faulty, "POST", f"/v1/task/{name}", f"{name}-{number}").json()["taskID"]
        return task_id

    def replay(task_id: str) -> None:
        insist(faulty, "POST", f"/v1/tasks/{task_id}/replay", also=(IMPOSSIBLE,))

    def may_have_failed(status: Any) -> bool:
        # Its executor was killed in each of its tries, or it has only now had the call that is answered with 500.
        return status["error"] == GIVEN_UP or mended.calls[status["id"]] == 1

    with ThreadPoolExecutor(4) as clients:
        with disorder(faulty, target) as killer:
            # Each of them twice at once.
            ids = list(clients.map(create, [number % TASKS for number in range(2 * TASKS)]))
            killer.go_on_for(VISIBILITY_SECONDS)
        assert ids[:TASKS] == ids[TASKS:]
        assert len(set(ids)) == TASKS
        faulty.api.all_ended(set(ids), seconds=180)
        with disorder(faulty, target) as killer:
            for _ in clients.map(replay, ids):
                pass
            killer.go_on_for(VISIBILITY_SECONDS)
    ended = faulty.api.all_ended(set(ids), seconds=180)
    # On a busy machine the disorder lasts so long that tasks are given up; in peace a replay or two end them well.
    for _ in range(2):
        failed = [status for status in ended if status["status"] != "done"]
        assert all(map(may_have_failed, failed)), failed
        for status in failed:
            replay(status["id"])
        ended = faulty.api.all_ended(set(ids), seconds=180)
    faulty.wait_until_queues_are_empty()

    assert Counter(status["status"] for status in ended) == {"done": TASKS}
    assert len(faulty.records(name)) == TASKS
    assert mended.called_again == []
    assert target.most_of_any_key == 1


def test_lists_are_replayed_or_cancelled_as_they_are_told(faulty: FaultyCloud, target: HttpTarget) -> None:
    mended = MendedTarget(faulty)
    task = faulty.api.template(target.on("/mends", mended.behave), retry=NO_RETRY)
    slow = faulty.api.template(target.on("/slow", hang(seconds=0.5)))
    fails = list_template(faulty.api, "acting-fails", ("parallel", [task] * 4), ("sequential", [task] * 3))
    long = list_template(faulty.api, "acting-long", ("sequential", [slow] * 3), ("parallel", [slow] * 20))

    def create(name: str, number: int) -> str:
        list_id: str = insist(faulty, "POST", f"/v1/taskList/{name}", f"{name}-{number}").json()["taskListID"]
        return list_id

    def status(list_id: str) -> str:
        shown: str = insist(faulty, "GET", f"/v1/taskListStatus/{list_id}", also=STATUSES).json()["status"]
        return shown

    def cancel(list_id: str) -> datetime:
        insist(faulty, "POST", f"/v1/taskLists/{list_id}/cancel")
        return datetime.now(UTC)

    def has_ended(list_id: str) -> bool:
        return status(list_id) in ("done", "failed", "cancelled")

    def replay(list_id: str) -> None:
        # The sequence fails at one task after the other.
        while status(list_id) != "done":
            insist(faulty, "POST", f"/v1/taskLists/{list_id}/replay", also=(IMPOSSIBLE,))
            eventually(lambda: has_ended(list_id), what=f"{list_id} has ended", seconds=180)

    with ThreadPoolExecutor(4) as clients:
        failing = [create(fails, number) for number in range(LISTS)]
        with disorder(faulty, target) as killer:
            cancelled = [create(long, number) for number in range(LISTS)]
            answered = dict(zip(cancelled, clients.map(cancel, cancelled), strict=True))
            killer.go_on_for(VISIBILITY_SECONDS + 2)
        for list_id in failing:
            eventually(lambda each=list_id: has_ended(each), what=f"{list_id} has ended", seconds=180)  # type: ignore[misc]
        with disorder(faulty, target) as killer:
            repeats = [clients.submit(replay, list_id) for list_id in failing]
            killer.go_on_for(VISIBILITY_SECONDS)
        for repeat in repeats:
            repeat.result()
    faulty.wait_until_queues_are_empty()

    for call in target.calls_to("/slow"):
        task_id = call.idempotency_key or ""
        started = datetime.fromisoformat(faulty.api.status(task_id)["startedAt"])
        assert started <= answered[task_id.partition(".")[0]], "a task was started after its list was cancelled"
    assert {status(list_id) for list_id in cancelled} == {"cancelled"}
    assert {status(list_id) for list_id in failing} == {"done"}
    assert mended.called_again == []
    assert target.most_of_any_key == 1
