"""What every implementation of the Tasks and TaskLists ports does with what is cancelled or replayed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, Place, State, Task
from task_service.domain.task_list import CHUNK, GroupState, Plan, TaskList, TaskListTemplate
from task_service.ports import TaskLists, Tasks
from tests.contract.conftest import ATOMIC
from tests.support import builders
from tests.support.builders import CONTEXT, NOW, list_document, task, template
from tests.support.tasks import read, won

SOON = NOW + timedelta(seconds=60)
LATER = NOW + timedelta(seconds=61)
PLAN = Plan(template=TaskListTemplate.from_text(list_document("sequential 3")), tasks={"t0": template("t0")})


@pytest.fixture
def a_list(lists: TaskLists) -> TaskList:
    a_list = builders.task_list(str(uuid4()), plan=Body(text=PLAN.to_text()))
    lists.add(a_list)
    return a_list


def claim(tasks: Tasks, message: TaskMessage, *, birth: Task | None = None) -> Task:
    return won(tasks.claim(message, now=NOW, lease_until=SOON, holder=uuid4().hex, birth=birth))


def fail(tasks: Tasks, message: TaskMessage, *, birth: Task | None = None) -> Task:
    task = claim(tasks, message, birth=birth)
    assert tasks.finish(task, Failed(error="broken", response_code=400), result=None, now=SOON)
    return read(tasks, message.task_id)


def first(task_id: str, replay: int = 0) -> TaskMessage:
    return TaskMessage(task_id=task_id, attempt=1, replay=replay)


def born(a_list: TaskList, position: int = 0) -> Task:
    return a_list.first_record(PLAN, Place(list_id=a_list.id, group=0, position=position))


def at_once(*changes: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(changes)) as pool:
        return [future.result() for future in [pool.submit(change) for change in changes]]


# -- tasks


def test_a_created_task_is_cancelled_and_cannot_be_claimed(tasks: Tasks, created: Task) -> None:
    cancel = tasks.cancel(created.id, reason="why", now=SOON)
    assert cancel.won
    assert cancel.task == replace(created, state=State.CANCELLED, error="why", finished_at=SOON)
    assert read(tasks, created.id) == cancel.task
    refused = tasks.claim(first(created.id), now=LATER, lease_until=LATER, holder="b")
    assert (refused.won, refused.task) == (False, cancel.task)


def test_cancelling_again_changes_nothing(tasks: Tasks, created: Task) -> None:
    cancelled = tasks.cancel(created.id, reason="why", now=SOON).task
    again = tasks.cancel(created.id, reason="other", now=LATER)
    assert (again.won, again.task) == (False, cancelled)


def test_an_executor_that_works_on_a_cancelled_task_has_lost_its_lease(tasks: Tasks, created: Task) -> None:
    claimed = claim(tasks, first(created.id))
    assert tasks.cancel(created.id, reason="why", now=SOON).won
    assert not tasks.finish(claimed, Done(result="1"), result=Body(text="1"), now=LATER)
    assert not tasks.retry(claimed, Retry(delay=timedelta(), error="busy"), not_before=LATER)
    cancelled = read(tasks, created.id)
    assert (cancelled.state, cancelled.result, cancelled.error) == (State.CANCELLED, None, "why")


def test_a_task_that_waits_for_a_retry_is_cancelled(tasks: Tasks, created: Task) -> None:
    tasks.retry(claim(tasks, first(created.id)), Retry(delay=timedelta(), error="busy"), not_before=SOON)
    cancelled = tasks.cancel(created.id, reason="why", now=SOON).task
    assert cancelled is not None
    assert cancelled.state is State.CANCELLED
    assert not tasks.claim(TaskMessage(task_id=created.id, attempt=2), now=LATER, lease_until=LATER, holder="b").won


@pytest.mark.parametrize("end", [Done(result="1"), Failed(error="broken")])
def test_what_has_ended_is_not_cancelled(tasks: Tasks, created: Task, end: Done | Failed) -> None:
    tasks.finish(claim(tasks, first(created.id)), end, result=None, now=SOON)
    refused = tasks.cancel(created.id, reason="why", now=LATER)
    assert (refused.won, refused.task) == (False, read(tasks, created.id))


def test_a_cancelled_task_is_not_abandoned(tasks: Tasks, created: Task) -> None:
    tasks.cancel(created.id, reason="why", now=SOON)
    assert not tasks.abandon(first(created.id), error="crashed", now=LATER).won


def test_what_is_cancelled_tells_how_many_attempts_have_started(tasks: Tasks, created: Task) -> None:
    unstarted = tasks.cancel(created.id, reason="why", now=NOW).task
    assert unstarted is not None
    assert unstarted.attempts == 0
    waiting = task(str(uuid4()))
    tasks.add(waiting)
    claimed = claim(tasks, first(waiting.id))
    assert claimed.attempts == 1
    tasks.retry(claimed, Retry(delay=timedelta(seconds=1), error="busy"), not_before=SOON)
    assert read(tasks, waiting.id).attempts == 1
    cancelled = tasks.cancel(waiting.id, reason="why", now=NOW).task
    assert cancelled is not None
    assert (cancelled.attempt, cancelled.attempts) == (2, 1)


def test_an_unknown_task_is_neither_cancelled_nor_replayed(tasks: Tasks) -> None:
    assert tasks.cancel("nobody", reason="why", now=NOW).task is None
    assert tasks.replay("nobody", number=1).task is None
    assert tasks.get("nobody") is None


@ATOMIC
def test_of_a_cancellation_and_a_claim_both_say_the_same(tasks: Tasks) -> None:
    for _ in range(10):
        raced = task(str(uuid4()))
        tasks.add(raced)
        cancel, claimed = at_once(
            partial(tasks.cancel, raced.id, reason="why", now=NOW),
            partial(tasks.claim, first(raced.id), now=NOW, lease_until=SOON, holder="a"),
        )
        assert cancel.won
        assert cancel.task is not None
        # Either it was claimed before, which shows, or never.
        assert (cancel.task.started_at is not None) == claimed.won
        assert read(tasks, raced.id).state is State.CANCELLED


@ATOMIC
def test_of_a_cancellation_and_an_end_one_wins(tasks: Tasks) -> None:
    for _ in range(10):
        raced = task(str(uuid4()))
        tasks.add(raced)
        claimed = claim(tasks, first(raced.id))
        finished, cancelled = at_once(
            partial(tasks.finish, claimed, Done(result="1"), result=Body(text="1"), now=SOON),
            partial(tasks.cancel, raced.id, reason="why", now=SOON),
        )
        assert finished is not cancelled.won
        assert read(tasks, raced.id).state is (State.DONE if finished else State.CANCELLED)


@ATOMIC
def test_of_a_cancellation_and_a_retry_the_cancellation_stays(tasks: Tasks) -> None:
    for _ in range(10):
        raced = task(str(uuid4()))
        tasks.add(raced)
        claimed = claim(tasks, first(raced.id))
        at_once(
            partial(tasks.retry, claimed, Retry(delay=timedelta(), error="busy"), not_before=NOW),
            partial(tasks.cancel, raced.id, reason="why", now=SOON),
        )
        assert read(tasks, raced.id).state is State.CANCELLED
        assert not tasks.claim(TaskMessage(task_id=raced.id, attempt=2), now=LATER, lease_until=LATER, holder="b").won


def test_a_replayed_task_is_as_if_created(tasks: Tasks, created: Task) -> None:
    fail(tasks, first(created.id))
    replay = tasks.replay(created.id, number=1)
    assert replay.won
    assert replay.task is not None
    assert replace(replay.task, holder=None, earlier=()) == replace(created, replay=1)
    done = claim(tasks, first(created.id, replay=1))
    assert tasks.finish(done, Done(result="1", response_code=200), result=Body(text="1"), now=SOON)
    assert read(tasks, created.id).state is State.DONE


@ATOMIC
def test_a_replay_happens_once(tasks: Tasks, created: Task) -> None:
    fail(tasks, first(created.id))
    won = at_once(*[lambda: tasks.replay(created.id, number=1).won] * 8)
    assert won.count(True) == 1
    fail(tasks, first(created.id, replay=1))
    assert not tasks.replay(created.id, number=1).won
    assert tasks.replay(created.id, number=2).won


@pytest.mark.parametrize("ended", [False, True])
def test_only_what_has_failed_is_replayed(tasks: Tasks, created: Task, ended: bool) -> None:
    if ended:
        tasks.finish(claim(tasks, first(created.id)), Done(result="1"), result=None, now=SOON)
    refused = tasks.replay(created.id, number=1)
    assert (refused.won, refused.task) == (False, read(tasks, created.id))


def test_messages_of_an_earlier_replay_have_no_effect(tasks: Tasks, created: Task) -> None:
    fail(tasks, first(created.id))
    tasks.replay(created.id, number=1)
    assert not tasks.claim(first(created.id), now=LATER, lease_until=LATER, holder="b").won
    assert not tasks.abandon(first(created.id), error="crashed", now=LATER).won
    assert not tasks.claim(first(created.id, replay=2), now=LATER, lease_until=LATER, holder="b").won
    claim(tasks, first(created.id, replay=1))
    assert not tasks.abandon(first(created.id), error="crashed", now=LATER + timedelta(seconds=1)).won
    assert tasks.abandon(first(created.id, replay=1), error="crashed", now=LATER + timedelta(seconds=1)).won


def test_a_task_keeps_who_has_cancelled_it_first(tasks: Tasks, created: Task) -> None:
    cancelled = tasks.cancel(created.id, reason="why", now=SOON, by="Ada é").task
    tasks.cancel(created.id, reason="why", now=LATER, by="Bob")
    assert cancelled is not None
    assert cancelled.cancelled_by == "Ada é"
    assert read(tasks, created.id) == cancelled


def test_a_task_keeps_who_has_replayed_it_last(tasks: Tasks, created: Task) -> None:
    for number, by in enumerate(["Ada é", "Bob", None], 1):
        fail(tasks, first(created.id, replay=number - 1))
        replayed = tasks.replay(created.id, number=number, by=by).task
        assert replayed is not None
        assert replayed.replayed_by == by
        assert tasks.replay(created.id, number=number, by="Eve").task == replayed == read(tasks, created.id)


# -- tasks of lists


def test_a_lists_task_keeps_who_has_cancelled_it(tasks: Tasks, a_list: TaskList) -> None:
    birth = replace(born(a_list), context=CONTEXT)
    cancelled = tasks.cancel(birth.id, reason="why", now=SOON, birth=birth, by="Ada").task
    assert cancelled is not None
    assert (cancelled.cancelled_by, cancelled.context) == ("Ada", CONTEXT)
    assert read(tasks, birth.id) == cancelled


def test_a_lists_task_is_cancelled_before_it_was_ever_claimed(tasks: Tasks, a_list: TaskList) -> None:
    birth = born(a_list)
    assert tasks.cancel(birth.id, reason="why", now=SOON, birth=birth).won
    cancelled = read(tasks, birth.id)
    assert (cancelled.name, cancelled.state, cancelled.error) == (birth.name, State.CANCELLED, "why")
    assert not tasks.claim(first(birth.id), now=LATER, lease_until=LATER, holder="a", birth=birth).won


def test_in_a_replay_a_task_that_has_not_come_to_its_turn_is_cancelled(tasks: Tasks, a_list: TaskList) -> None:
    birth = born(a_list)
    fail(tasks, first(birth.id), birth=birth)
    assert not tasks.cancel(birth.id, reason="why", now=SOON, birth=birth).won
    assert tasks.cancel(birth.id, reason="why", now=SOON, birth=replace(birth, replay=1)).won
    assert not tasks.replay(birth.id, number=1).won


def test_a_task_that_is_first_claimed_in_a_replay_belongs_to_it(tasks: Tasks, a_list: TaskList) -> None:
    birth = replace(born(a_list), replay=2)
    assert claim(tasks, first(birth.id, replay=2), birth=birth).replay == 2
    assert read(tasks, birth.id).replay == 2


# -- lists


def test_a_list_keeps_who_has_replayed_and_who_has_cancelled_it(lists: TaskLists, a_list: TaskList) -> None:
    lists.end(a_list, well=False, now=SOON)
    opened = lists.replay(a_list.id, number=1, by="Ada é")
    assert opened == replace(a_list, replay=1, replayed_by="Ada é")
    assert lists.replay(a_list.id, number=1, by="Eve") == opened
    cancelled = lists.cancel(opened, now=LATER, by="Bob")
    assert cancelled is not None
    assert (cancelled.replayed_by, cancelled.cancelled_by) == ("Ada é", "Bob")
    assert lists.cancel(opened, now=LATER, by="Eve") == cancelled == lists.get(a_list.id)


def test_a_list_is_cancelled_once_and_not_after_its_end(lists: TaskLists, a_list: TaskList) -> None:
    cancelled = lists.cancel(a_list, now=SOON)
    assert cancelled == replace(a_list, state=State.CANCELLED, finished_at=SOON)
    assert lists.cancel(a_list, now=LATER) == cancelled
    lists.end(a_list, well=True, now=LATER)
    assert lists.get(a_list.id) == cancelled
    assert lists.cancel(builders.task_list("nobody"), now=NOW) is None


@ATOMIC
def test_of_a_lists_cancellation_and_its_end_one_wins(lists: TaskLists, a_list: TaskList) -> None:
    _, cancelled = at_once(lambda: lists.end(a_list, well=True, now=SOON), lambda: lists.cancel(a_list, now=LATER))
    assert lists.get(a_list.id) == cancelled
    assert cancelled in (
        replace(a_list, state=State.DONE, finished_at=SOON),
        replace(a_list, state=State.CANCELLED, finished_at=LATER),
    )


def test_a_cancelled_group_is_neither_started_nor_closed(lists: TaskLists, a_list: TaskList) -> None:
    unstarted = lists.cancel_group(a_list, 1)
    assert unstarted == GroupState(index=1, state=State.CANCELLED)
    assert lists.start_group(a_list, 1, parallel=3, failed_before=True) == unstarted
    started = lists.start_group(a_list, 0, parallel=3, failed_before=False)
    cancelled = lists.cancel_group(a_list, 0)
    assert cancelled == replace(started, state=State.CANCELLED)
    assert lists.cancel_group(a_list, 0) == cancelled
    assert lists.close_group(a_list, 0, well=True) == cancelled


def test_a_group_that_has_ended_is_not_cancelled(lists: TaskLists, a_list: TaskList) -> None:
    lists.start_group(a_list, 0, parallel=0, failed_before=False)
    closed = lists.close_group(a_list, 0, well=False, stopped_at=1)
    assert lists.cancel_group(a_list, 0) == closed


def test_a_group_that_runs_again_is_not_cancelled_by_a_late_write_of_an_earlier_replay(
    lists: TaskLists, a_list: TaskList
) -> None:
    for number in (1, 2):
        earlier, later = replace(a_list, replay=number - 1), replace(a_list, replay=number)
        lists.start_group(earlier, 0, parallel=0, failed_before=False)
        lists.close_group(earlier, 0, well=False, stopped_at=1)
        opened = lists.start_group(later, 0, parallel=0, failed_before=False)
        assert lists.cancel_group(earlier, 0) == opened
    assert lists.cancel_group(later, 0) == replace(opened, state=State.CANCELLED)


def test_a_failed_list_is_opened_once_for_a_replay(lists: TaskLists, a_list: TaskList) -> None:
    assert lists.replay(a_list.id, number=1) == a_list
    lists.end(a_list, well=False, now=SOON)
    opened = lists.replay(a_list.id, number=1)
    assert opened == replace(a_list, replay=1)
    assert lists.replay(a_list.id, number=1) == opened
    lists.end(a_list, well=True, now=LATER)
    assert lists.cancel(a_list, now=LATER) == opened
    assert lists.get(a_list.id) == opened, "what moves the list on is of an earlier replay"
    lists.end(opened, well=False, now=LATER)
    assert lists.replay(a_list.id, number=1) == replace(opened, state=State.FAILED, finished_at=LATER)
    assert lists.replay("nobody", number=1) is None


def test_a_sequential_group_is_opened_where_it_stopped(lists: TaskLists, a_list: TaskList) -> None:
    again = replace(a_list, replay=1)
    lists.start_group(a_list, 0, parallel=0, failed_before=False)
    lists.close_group(a_list, 0, well=False, stopped_at=2)
    opened = lists.start_group(again, 0, parallel=0, failed_before=True)
    assert opened == GroupState(index=0, state=State.PENDING, starts_at=2, failed_before=True, replay=1)
    assert lists.start_group(again, 0, parallel=0, failed_before=True) == opened
    assert lists.close_group(a_list, 0, well=True) == opened, "what closes it is of an earlier replay"
    assert lists.close_group(again, 0, well=True) == replace(opened, state=State.DONE)


def test_a_group_whose_policy_failed_is_opened_without_that(lists: TaskLists, a_list: TaskList) -> None:
    lists.start_group(a_list, 0, parallel=0, failed_before=False)
    lists.close_group(a_list, 0, well=False, error="policy")
    opened = lists.start_group(replace(a_list, replay=1), 0, parallel=0, failed_before=False)
    assert opened == GroupState(index=0, state=State.PENDING, replay=1)


def test_a_parallel_group_is_opened_for_its_failed_tasks(lists: TaskLists, a_list: TaskList) -> None:
    again = replace(a_list, replay=1)
    lists.start_group(a_list, 0, parallel=3, failed_before=False)
    for position in range(3):
        lists.end_task(a_list, 0, position, well=position != 1, parallel=3)
    lists.close_group(a_list, 0, well=False)
    opened = lists.start_group(again, 0, parallel=3, failed_before=False)
    assert opened == GroupState(index=0, state=State.PENDING, outstanding=frozenset({1}), replay=1)
    assert lists.end_task(a_list, 0, 1, well=False, parallel=3) == opened, "what ends it is of an earlier replay"
    ended = lists.end_task(again, 0, 1, well=True, parallel=3)
    assert ended == replace(opened, outstanding=frozenset())


def test_a_large_group_is_opened_for_its_failed_tasks(lists: TaskLists, a_list: TaskList) -> None:
    size, again = 2 * CHUNK + 1, replace(a_list, replay=1)
    lists.start_group(a_list, 0, parallel=size, failed_before=False)
    for position in range(size):
        lists.end_task(a_list, 0, position, well=position not in (1, CHUNK - 1, 2 * CHUNK), parallel=size)
    lists.close_group(a_list, 0, well=False)
    opened = lists.start_group(again, 0, parallel=size, failed_before=False)
    assert opened == GroupState(index=0, state=State.PENDING, outstanding=frozenset({0, 2}), replay=1)
    assert lists.end_task(again, 0, 1, well=True, parallel=size) is None
    assert lists.end_task(again, 0, CHUNK - 1, well=False, parallel=size) == replace(
        opened, outstanding=frozenset({2}), failed=frozenset({0})
    )
    last = lists.end_task(again, 0, 2 * CHUNK, well=True, parallel=size)
    assert last == replace(opened, outstanding=frozenset(), failed=frozenset({0}))


def test_a_group_that_is_done_is_taken_into_a_replay_as_it_is(lists: TaskLists, a_list: TaskList) -> None:
    lists.start_group(a_list, 1, parallel=0, failed_before=True)
    done = lists.close_group(a_list, 1, well=True, result=Body(text="[1]"))
    taken = lists.start_group(replace(a_list, replay=1), 1, parallel=0, failed_before=False)
    assert taken == replace(done, failed_before=False, replay=1)


def test_the_records_of_a_replayed_list_show_what_starts_again(
    lists: TaskLists, tasks: Tasks, a_list: TaskList
) -> None:
    lists.start_group(a_list, 0, parallel=0, failed_before=False)
    fail(tasks, first(born(a_list, 1).id), birth=born(a_list, 1))
    lists.close_group(a_list, 0, well=False, stopped_at=1)
    lists.end(a_list, well=False, now=SOON)
    again = lists.replay(a_list.id, number=1)
    assert again is not None
    lists.start_group(again, 0, parallel=0, failed_before=False)
    records = lists.records(a_list.id)
    assert records is not None
    assert records.tasks == {(0, 1): State.CREATED}
    tasks.replay(born(a_list, 1).id, number=1)
    fail(tasks, first(born(a_list, 1).id, replay=1))
    records = lists.records(a_list.id)
    assert records is not None
    assert records.tasks == {(0, 1): State.FAILED}


def test_the_records_of_a_cancelled_group_show_its_tasks(lists: TaskLists, tasks: Tasks, a_list: TaskList) -> None:
    lists.start_group(a_list, 0, parallel=0, failed_before=False)
    tasks.cancel(born(a_list).id, reason="why", now=NOW, birth=born(a_list))
    lists.cancel(a_list, now=NOW)
    lists.cancel_group(a_list, 0)
    records = lists.records(a_list.id)
    assert records is not None
    assert records.tasks == {(0, 0): State.CANCELLED}
