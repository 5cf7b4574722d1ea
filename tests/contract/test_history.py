"""What every implementation of the Tasks port keeps of the attempts that have ended."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from task_service.domain.history import CRASHED, ERROR_CHARACTERS, MOST, PastAttempt
from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, Task
from task_service.ports import TaskLists, Tasks
from tests.contract.conftest import ATOMIC
from tests.support.builders import NOW, task, task_list
from tests.support.tasks import read, won

LEASE = timedelta(seconds=60)
DELAY = timedelta(seconds=5)
OK = Done(result="1", response_code=200)


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claim(tasks: Tasks, task_id: str, *, at: datetime, attempt: int = 1, replay: int = 0) -> Task:
    message = TaskMessage(task_id=task_id, attempt=attempt, replay=replay)
    return won(tasks.claim(message, now=at, lease_until=at + LEASE, holder=uuid4().hex))


def retry(tasks: Tasks, claimed: Task, *, at: datetime, error: str = "busy", code: int | None = 503) -> None:
    decision = Retry(delay=DELAY, error=error, response_code=code)
    assert tasks.retry(claimed, decision, not_before=at + DELAY)


def past(attempt: int, started: int, finished: int | None, code: int | None, error: str | None) -> PastAttempt:
    return PastAttempt(
        attempt=attempt,
        started_at=after(started),
        finished_at=None if finished is None else after(finished),
        response_code=code,
        error=error,
    )


def test_a_task_has_no_history_before_its_first_attempt_ends(tasks: Tasks, created: Task) -> None:
    assert read(tasks, created.id).history == ()
    claim(tasks, created.id, at=NOW)
    assert read(tasks, created.id).history == ()


def test_a_first_attempt_that_ends_well_is_not_written_and_yet_known(tasks: Tasks, created: Task) -> None:
    tasks.finish(claim(tasks, created.id, at=NOW), OK, result=Body(text="1"), now=after(1))

    done = read(tasks, created.id)

    assert (done.earlier, done.attempt_started_at) == ((), None)
    assert done.history == (past(1, 0, 1, 200, None),)


def test_every_attempt_has_its_own_times_and_answer(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    assert read(tasks, created.id).history == (past(1, 0, 1, 503, "busy"),)
    retry(tasks, claim(tasks, created.id, at=after(10), attempt=2), at=after(12), error="refused", code=None)
    third = claim(tasks, created.id, at=after(20), attempt=3)
    first_two = (past(1, 0, 1, 503, "busy"), past(2, 10, 12, None, "refused"))
    assert third.history == read(tasks, created.id).history == first_two

    tasks.finish(third, Failed(error="no", response_code=404), result=None, now=after(23))

    assert read(tasks, created.id).history == (*first_two, past(3, 20, 23, 404, "no"))


def test_an_attempt_whose_lease_ended_counts_and_says_so(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    claim(tasks, created.id, at=after(10), attempt=2)

    taken_over = claim(tasks, created.id, at=after(100), attempt=2)

    assert taken_over.history == (past(1, 0, 1, 503, "busy"), past(2, 10, None, None, CRASHED))
    tasks.finish(taken_over, OK, result=Body(text="1"), now=after(101))
    assert read(tasks, created.id).history[2:] == (past(2, 100, 101, 200, None),)


def test_a_first_attempt_can_crash_too(tasks: Tasks, created: Task) -> None:
    claim(tasks, created.id, at=NOW)
    claim(tasks, created.id, at=after(100))
    last = claim(tasks, created.id, at=after(200))
    assert last.history == (past(1, 0, None, None, CRASHED), past(1, 100, None, None, CRASHED))


@ATOMIC
def test_a_crash_is_written_down_once_however_many_executors_find_it(tasks: Tasks, created: Task) -> None:
    claim(tasks, created.id, at=NOW)
    message = TaskMessage(task_id=created.id, attempt=1)

    def take_over(_: int) -> bool:
        return tasks.claim(message, now=after(100), lease_until=after(160), holder=uuid4().hex).won

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take_over, range(8))).count(True) == 1
    assert read(tasks, created.id).history == (past(1, 0, None, None, CRASHED),)


def test_a_task_that_is_given_up_tells_of_its_last_attempt(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    claim(tasks, created.id, at=after(10), attempt=2)

    tasks.abandon(TaskMessage(task_id=created.id, attempt=2), error="crashed", now=after(100))

    # The answer to the first attempt is not one to the second.
    assert read(tasks, created.id).history == (past(1, 0, 1, 503, "busy"), past(2, 10, 100, None, "crashed"))


def test_a_cancellation_ends_the_attempt_under_way(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    claim(tasks, created.id, at=after(10), attempt=2)

    tasks.cancel(created.id, reason="on request", now=after(12))

    assert read(tasks, created.id).history == (past(1, 0, 1, 503, "busy"), past(2, 10, 12, None, "on request"))


def test_a_cancellation_between_two_attempts_ends_none(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    tasks.cancel(created.id, reason="on request", now=after(2))
    assert read(tasks, created.id).history == (past(1, 0, 1, 503, "busy"),)


def test_a_cancellation_before_the_first_attempt_ends_none(tasks: Tasks, created: Task) -> None:
    tasks.cancel(created.id, reason="on request", now=after(2))
    assert read(tasks, created.id).history == ()


def test_a_replay_keeps_what_was_before_it(tasks: Tasks, created: Task) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1))
    claimed = claim(tasks, created.id, at=after(10), attempt=2)
    tasks.finish(claimed, Failed(error="no", response_code=400), result=None, now=after(12))
    before = (past(1, 0, 1, 503, "busy"), past(2, 10, 12, 400, "no"))

    tasks.replay(created.id, number=1)

    assert read(tasks, created.id).history == before
    again = claim(tasks, created.id, at=after(100), replay=1)
    assert (again.started_at, again.attempt_started_at) == (after(100), None)
    tasks.finish(again, OK, result=Body(text="1"), now=after(101))
    assert read(tasks, created.id).history == (*before, past(1, 100, 101, 200, None))


def test_a_task_of_a_list_has_a_history_too(tasks: Tasks, lists: TaskLists) -> None:
    a_list = task_list(str(uuid4()))
    lists.add(a_list)
    birth = replace(task(f"{a_list.id}.0.0"), template=None, request=None)
    message = TaskMessage(task_id=birth.id, attempt=1)
    for number in range(2):
        at = after(100 * number)
        assert tasks.claim(message, now=at, lease_until=at + LEASE, holder=uuid4().hex, birth=birth).won
    assert read(tasks, birth.id).history == (past(1, 0, None, None, CRASHED),)


def test_the_history_has_an_end(tasks: Tasks, created: Task) -> None:
    for attempt in range(1, MOST + 6):
        claimed = claim(tasks, created.id, at=after(10 * attempt), attempt=attempt)
        retry(tasks, claimed, at=after(10 * attempt + 1))

    history = read(tasks, created.id).history

    assert [it.attempt for it in history] == list(range(6, MOST + 6))


@pytest.mark.parametrize("error", ["x" * 1_000, "日" * 1_000, "\0\n\"'", "😀" * 150])
def test_an_error_is_kept_in_few_characters_whatever_they_are(tasks: Tasks, created: Task, error: str) -> None:
    retry(tasks, claim(tasks, created.id, at=NOW), at=after(1), error=error)

    [attempt] = read(tasks, created.id).history

    assert attempt.error is not None
    assert len(attempt.error) <= ERROR_CHARACTERS
    assert attempt.error.removesuffix("…") == error[: len(attempt.error.removesuffix("…"))]
