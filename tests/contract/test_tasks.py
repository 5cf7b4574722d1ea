"""What every implementation of the Tasks port does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, State, Task
from task_service.ports import Tasks
from tests.contract.conftest import ATOMIC
from tests.support.builders import CONTEXT, NOW, task
from tests.support.tasks import read, won

SOON = NOW + timedelta(seconds=60)
LATER = NOW + timedelta(seconds=61)
END = Done(result="1", response_code=200)


def claim(tasks: Tasks, task_id: str, *, attempt: int = 1, holder: str = "a", **times: Any) -> Task:
    message = TaskMessage(task_id=task_id, attempt=attempt)
    now, lease_until = times.get("now", NOW), times.get("lease_until", SOON)
    return won(tasks.claim(message, now=now, lease_until=lease_until, holder=holder))


def test_a_task_is_read_as_it_was_written(tasks: Tasks) -> None:
    written = task(str(uuid4()), request=Body(blob="requests/1"), cache_namespace="n", cache_scope="s", attempt=1)
    tasks.add(written)
    assert tasks.get(written.id) == written


def test_a_task_keeps_where_it_comes_from(tasks: Tasks) -> None:
    written = task(str(uuid4()), context=CONTEXT)
    tasks.add(written)
    assert tasks.get(written.id) == written
    assert claim(tasks, written.id).context == CONTEXT


def test_a_task_that_waits_is_cancelled_or_claimed_as_any_other(tasks: Tasks) -> None:
    waiting, cancelled = (task(str(uuid4()), not_before=SOON) for _ in range(2))
    for one in (waiting, cancelled):
        tasks.add(one)
        assert tasks.get(one.id) == one
    assert claim(tasks, waiting.id).not_before is None
    ended = tasks.cancel(cancelled.id, reason="why", now=NOW).task
    assert ended is not None
    assert (ended.state, ended.attempts) == (State.CANCELLED, 0)


def test_a_task_is_written_once_and_what_has_become_of_it_stays(tasks: Tasks) -> None:
    written = task(str(uuid4()))
    assert tasks.add(written) is None
    assert tasks.get(written.id) == written
    claimed = claim(tasks, written.id)
    assert tasks.add(written) == claimed
    assert tasks.get(written.id) == claimed


@ATOMIC
def test_of_many_that_write_it_once_one_does(tasks: Tasks) -> None:
    written = task(str(uuid4()))
    with ThreadPoolExecutor(8) as pool:
        wrote = list(pool.map(lambda _: tasks.add(written), range(16)))
    assert wrote.count(None) == 1
    assert wrote.count(written) == 15


def test_many_tasks_are_written_as_each_would_be(tasks: Tasks) -> None:
    written = [
        task(str(uuid4()), request=Body(text=f'{{"n": "{number}%s"}}'), not_before=SOON if number % 2 else None)
        for number in range(60)
    ]
    assert list(tasks.add_all(written)) == []
    assert [tasks.get(one.id) for one in written] == written
    assert list(tasks.add_all([])) == []


def test_an_unknown_task_is_none(tasks: Tasks) -> None:
    assert tasks.get("nobody") is None


def test_a_removed_task_is_gone_and_removing_it_again_is_fine(tasks: Tasks, created: Task) -> None:
    tasks.remove(created.id)
    assert tasks.get(created.id) is None
    tasks.remove(created.id)


def test_a_claim_takes_the_lease(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    assert claimed.state is State.PENDING
    assert (claimed.lease_until, claimed.holder, claimed.started_at) == (SOON, "a", NOW)
    assert read(tasks, created.id) == claimed


def test_a_second_claim_is_refused_and_shows_the_task(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    second = tasks.claim(
        TaskMessage(task_id=created.id, attempt=1), now=SOON, lease_until=SOON + timedelta(seconds=60), holder="b"
    )
    assert not second.won
    assert second.task == claimed


def test_a_claim_whose_answer_got_lost_meets_itself(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    assert claim(tasks, created.id) == claimed


def test_a_lease_that_has_ended_can_be_taken_over(tasks: Tasks, created: Task) -> None:
    claim(tasks, created.id)
    taken = claim(tasks, created.id, holder="b", now=LATER, lease_until=LATER + timedelta(seconds=60))
    assert taken.holder == "b"
    assert taken.started_at == NOW


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_claim_of_another_attempt_is_refused(tasks: Tasks, created: Task, attempt: int) -> None:
    refused = tasks.claim(TaskMessage(task_id=created.id, attempt=attempt), now=NOW, lease_until=SOON, holder="a")
    assert not refused.won
    assert refused.task == created


def test_a_claim_without_a_record_is_refused(tasks: Tasks) -> None:
    refused = tasks.claim(TaskMessage(task_id="nobody", attempt=1), now=NOW, lease_until=SOON, holder="a")
    assert (refused.won, refused.task) == (False, None)


@pytest.mark.parametrize("result", [Body(text='{"a":1}'), Body(blob="results/1")])
def test_a_claimed_task_is_done(tasks: Tasks, created: Task, result: Body) -> None:
    claimed = claim(tasks, created.id)
    assert tasks.finish(claimed, END, result=result, now=SOON)
    done = read(tasks, created.id)
    assert (done.state, done.result, done.response_code) == (State.DONE, result, 200)
    assert (done.finished_at, done.lease_until, done.error) == (SOON, None, None)


def test_a_claimed_task_is_failed(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    assert tasks.finish(claimed, Failed(error="no", response_code=404), result=None, now=SOON)
    failed = read(tasks, created.id)
    assert (failed.state, failed.result, failed.error) == (State.FAILED, None, "no")
    assert failed.response_code == 404


def test_a_claimed_task_is_given_back_for_its_next_attempt(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    decision = Retry(delay=timedelta(seconds=9), error="busy", response_code=503)
    assert tasks.retry(claimed, decision, not_before=LATER)
    waiting = read(tasks, created.id)
    assert (waiting.state, waiting.attempt, waiting.not_before) == (State.CREATED, 2, LATER)
    assert (waiting.error, waiting.response_code, waiting.lease_until) == ("busy", 503, None)

    again = claim(tasks, created.id, attempt=2, holder="b", now=LATER)
    assert again.not_before is None
    assert again.started_at == NOW


def test_what_the_last_attempt_left_behind_does_not_stay(tasks: Tasks, created: Task) -> None:
    first = claim(tasks, created.id)
    tasks.retry(first, Retry(delay=timedelta(), error="busy", response_code=503), not_before=NOW)
    second = claim(tasks, created.id, attempt=2, holder="b")
    tasks.finish(second, Done(result="1"), result=Body(text="1"), now=SOON)
    done = read(tasks, created.id)
    assert (done.error, done.response_code) == (None, None)


REDIRECTED: dict[str, Any] = {"redirects": 2, "final_origin": "https://login.example:8443"}


def test_redirects_are_kept_for_as_long_as_they_are_those_of_the_last_attempt(tasks: Tasks, created: Task) -> None:
    first = claim(tasks, created.id)
    assert (first.redirects, first.final_origin) == (0, None)
    tasks.retry(first, Retry(delay=timedelta(), error="busy", **REDIRECTED), not_before=NOW)
    waiting = read(tasks, created.id)
    assert (waiting.redirects, waiting.final_origin) == (2, "https://login.example:8443")

    second = claim(tasks, created.id, attempt=2, holder="b")
    tasks.finish(second, Failed(error="no"), result=None, now=SOON)
    failed = read(tasks, created.id)
    assert (failed.redirects, failed.final_origin) == (0, None)


def test_a_replay_has_no_redirects_of_the_run_before(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    tasks.finish(claimed, Failed(error="no", **REDIRECTED), result=None, now=SOON)
    assert read(tasks, created.id).redirects == 2

    assert tasks.replay(created.id, number=1).won
    again = read(tasks, created.id)
    assert (again.redirects, again.final_origin) == (0, None)


def test_ending_and_retrying_recognise_themselves_when_repeated(tasks: Tasks, created: Task) -> None:
    first = claim(tasks, created.id)
    retry = Retry(delay=timedelta(), error="busy")
    assert tasks.retry(first, retry, not_before=LATER)
    assert tasks.retry(first, retry, not_before=LATER)
    assert read(tasks, created.id).attempt == 2
    second = claim(tasks, created.id, attempt=2, holder="b")
    assert tasks.finish(second, END, result=Body(text="1"), now=SOON)
    assert tasks.finish(second, END, result=Body(text="1"), now=SOON)


def test_an_executor_that_has_lost_the_lease_changes_nothing(tasks: Tasks, created: Task) -> None:
    late = claim(tasks, created.id)
    current = claim(tasks, created.id, holder="b", now=LATER, lease_until=LATER + timedelta(seconds=60))
    assert not tasks.finish(late, END, result=Body(text="1"), now=LATER)
    assert not tasks.retry(late, Retry(delay=timedelta(), error="x"), not_before=LATER)
    assert read(tasks, created.id) == current
    tasks.finish(current, END, result=Body(text="1"), now=LATER)
    assert not tasks.finish(late, Failed(error="x"), result=None, now=LATER)


def test_an_abandoned_task_is_failed(tasks: Tasks, created: Task) -> None:
    message = TaskMessage(task_id=created.id, attempt=1)
    claim(tasks, created.id)
    abandoned = tasks.abandon(message, error="crashed", now=LATER)
    assert abandoned.won
    assert abandoned.task is not None
    assert (abandoned.task.state, abandoned.task.error) == (State.FAILED, "crashed")
    assert read(tasks, created.id) == abandoned.task
    assert not tasks.abandon(message, error="crashed", now=LATER).won


def test_a_task_that_no_executor_has_started_is_not_abandoned(tasks: Tasks, created: Task) -> None:
    refused = tasks.abandon(TaskMessage(task_id=created.id, attempt=1), error="crashed", now=LATER)
    assert (refused.won, refused.task) == (False, created)
    tasks.retry(claim(tasks, created.id), Retry(delay=timedelta(), error="busy"), not_before=SOON)
    refused = tasks.abandon(TaskMessage(task_id=created.id, attempt=2), error="crashed", now=LATER)
    assert (refused.won, refused.task) == (False, read(tasks, created.id))


def test_a_task_under_a_lease_is_not_abandoned_before_its_end(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, created.id)
    message = TaskMessage(task_id=created.id, attempt=1)
    refused = tasks.abandon(message, error="crashed", now=SOON)
    assert (refused.won, refused.task) == (False, claimed)
    assert tasks.abandon(message, error="crashed", now=LATER).won
    assert not tasks.finish(claimed, END, result=Body(text="1"), now=LATER)


def test_a_task_in_another_attempt_is_not_abandoned(tasks: Tasks, created: Task) -> None:
    claim(tasks, created.id)
    assert not tasks.abandon(TaskMessage(task_id=created.id, attempt=0), error="crashed", now=LATER).won
    assert not tasks.abandon(TaskMessage(task_id="nobody", attempt=1), error="crashed", now=LATER).won


@ATOMIC
def test_of_many_claims_at_once_one_wins(tasks: Tasks, created: Task) -> None:
    start = threading.Barrier(8)
    won: list[str] = []

    def race(holder: str) -> None:
        start.wait()
        message = TaskMessage(task_id=created.id, attempt=1)
        if tasks.claim(message, now=NOW, lease_until=SOON, holder=holder).won:
            won.append(holder)

    racers = [threading.Thread(target=race, args=(str(number),)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(won) == 1
    assert read(tasks, created.id).holder == won[0]


def test_the_table_answers(tasks: Tasks) -> None:
    tasks.ping()
