"""What every implementation of the TaskLists port does, beside the Tasks of the same table."""

import threading
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Retry
from task_service.domain.task import Body, Place, State, Task
from task_service.domain.task_list import CHUNK, GroupState, TaskList
from task_service.ports import TaskLists, Tasks
from tests.contract.conftest import ATOMIC
from tests.support import builders
from tests.support.builders import CONTEXT, NOW
from tests.support.tasks import won

SOON = NOW + timedelta(seconds=60)


@pytest.fixture
def created(lists: TaskLists) -> TaskList:
    created = builders.task_list(
        str(uuid4()),
        plan=Body(text='{"list": 1}'),
        request=Body(blob="requests/1"),
        cache_namespace="n",
        cache_scope="s",
    )
    lists.add(created)
    return created


def birth(task_list: TaskList, group: int, position: int) -> Task:
    return Task(
        id=Place(list_id=task_list.id, group=group, position=position).task_id,
        name="t",
        state=State.CREATED,
        attempt=1,
        created_at=task_list.created_at,
        expires_at=task_list.expires_at,
    )


def claim(tasks: Tasks, born: Task, *, attempt: int = 1) -> Task:
    message = TaskMessage(task_id=born.id, attempt=attempt)
    return won(tasks.claim(message, now=NOW, lease_until=SOON, holder=uuid4().hex, birth=born))


def test_a_list_is_read_as_it_was_written(lists: TaskLists, created: TaskList) -> None:
    assert lists.get(created.id) == created
    assert lists.get("nobody") is None
    lists.remove(created.id)
    assert lists.get(created.id) is None


def test_a_list_and_its_tasks_keep_where_they_come_from(lists: TaskLists, tasks: Tasks) -> None:
    written = builders.task_list(str(uuid4()), context=CONTEXT)
    lists.add(written)
    assert lists.get(written.id) == written
    born = replace(birth(written, 0, 0), context=CONTEXT)
    assert claim(tasks, born).context == CONTEXT
    found = tasks.get(born.id)
    assert found is not None
    assert found.context == CONTEXT


def test_a_list_that_waits_is_read_as_it_was_written(lists: TaskLists) -> None:
    waiting = builders.task_list(str(uuid4()), not_before=SOON)
    lists.add(waiting)
    assert lists.get(waiting.id) == waiting
    records = lists.records(waiting.id)
    assert records is not None
    assert records.task_list == waiting


def test_a_list_is_written_once_and_what_has_become_of_it_stays(lists: TaskLists, created: TaskList) -> None:
    lists.end(created, well=True, now=SOON)
    ended = lists.get(created.id)
    assert ended is not None
    assert ended.state is State.DONE
    assert lists.add(created) == ended
    assert lists.get(created.id) == ended


def test_a_group_is_started_once(lists: TaskLists, created: TaskList) -> None:
    started = lists.start_group(created, 0, parallel=3, failed_before=False)
    assert started == GroupState(index=0, state=State.PENDING, outstanding=frozenset({0, 1, 2}))
    lists.end_task(created, 0, 1, well=True, parallel=3)
    again = lists.start_group(created, 0, parallel=3, failed_before=True)
    assert again == GroupState(index=0, state=State.PENDING, outstanding=frozenset({0, 2}))


def test_a_sequential_group_has_no_outstanding_tasks(lists: TaskLists, created: TaskList) -> None:
    started = lists.start_group(created, 1, parallel=0, failed_before=True)
    assert started == GroupState(index=1, state=State.PENDING, failed_before=True)


def test_the_last_task_of_a_group_sees_it_empty_however_often_it_says_so(lists: TaskLists, created: TaskList) -> None:
    lists.start_group(created, 0, parallel=2, failed_before=False)
    first = lists.end_task(created, 0, 0, well=False, parallel=2)
    assert first == GroupState(index=0, state=State.PENDING, outstanding=frozenset({1}), failed=frozenset({0}))
    for _ in range(2):
        last = lists.end_task(created, 0, 1, well=True, parallel=2)
        assert last == GroupState(index=0, state=State.PENDING, failed=frozenset({0}))


def test_a_large_group_is_kept_in_chunks(lists: TaskLists, created: TaskList) -> None:
    size = 2 * CHUNK + 1
    started = lists.start_group(created, 0, parallel=size, failed_before=False)
    assert started.outstanding == {0, 1, 2}
    ends = [lists.end_task(created, 0, n, well=n != CHUNK, parallel=size) for n in range(size)]
    assert [n for n, end in enumerate(ends) if end is not None] == [CHUNK - 1, 2 * CHUNK - 1, 2 * CHUNK]
    assert ends[-1] == GroupState(index=0, state=State.PENDING, failed=frozenset({1}))
    assert lists.start_group(created, 0, parallel=size, failed_before=False) == ends[-1]


@ATOMIC
def test_of_many_tasks_that_end_at_once_one_is_the_last(lists: TaskLists, created: TaskList) -> None:
    size = 16
    lists.start_group(created, 0, parallel=size, failed_before=False)
    start = threading.Barrier(4)
    empty: list[int] = []

    def end(positions: range) -> None:
        start.wait()
        for position in positions:
            state = lists.end_task(created, 0, position, well=True, parallel=size)
            if state is not None and not state.outstanding:
                empty.append(position)

    racers = [threading.Thread(target=end, args=(range(n, size, 4),)) for n in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(empty) == 1


@pytest.mark.parametrize("result", [None, Body(text="[1]"), Body(blob="results/1")])
def test_a_group_is_closed_once(lists: TaskLists, created: TaskList, result: Body | None) -> None:
    lists.start_group(created, 0, parallel=0, failed_before=True)
    closed = lists.close_group(created, 0, well=True, result=result)
    assert closed == GroupState(index=0, state=State.DONE, failed_before=True, result=result)
    assert lists.close_group(created, 0, well=False, error="late") == closed


def test_a_group_that_fails_says_why(lists: TaskLists, created: TaskList) -> None:
    lists.start_group(created, 0, parallel=0, failed_before=False)
    closed = lists.close_group(created, 0, well=False, error="policy")
    assert (closed.state, closed.error) == (State.FAILED, "policy")


def test_a_list_ends_once(lists: TaskLists, created: TaskList) -> None:
    lists.end(created, well=False, now=SOON)
    lists.end(created, well=True, now=SOON + timedelta(seconds=1))
    ended = lists.get(created.id)
    assert ended is not None
    assert (ended.state, ended.finished_at) == (State.FAILED, SOON)


def test_a_lists_task_is_written_when_it_is_first_claimed(tasks: Tasks, created: TaskList) -> None:
    born = birth(created, 0, 3)
    assert tasks.get(born.id) is None
    claimed = claim(tasks, born)
    assert (claimed.id, claimed.name, claimed.state) == (born.id, "t", State.PENDING)
    assert (claimed.created_at, claimed.expires_at, claimed.started_at) == (NOW, created.expires_at, NOW)
    assert tasks.get(born.id) == claimed
    assert not tasks.claim(
        TaskMessage(task_id=born.id, attempt=1), now=NOW, lease_until=SOON, holder="b", birth=born
    ).won


def test_only_a_first_attempt_starts_without_a_record(tasks: Tasks, created: TaskList) -> None:
    born = birth(created, 0, 0)
    late = TaskMessage(task_id=born.id, attempt=2)
    refused = tasks.claim(late, now=NOW, lease_until=SOON, holder="a", birth=born)
    assert (refused.won, refused.task) == (False, None)
    assert tasks.get(born.id) is None


def test_a_lists_task_retries_and_ends_like_any_other(tasks: Tasks, created: TaskList) -> None:
    born = birth(created, 0, 0)
    assert tasks.retry(claim(tasks, born), Retry(delay=timedelta(), error="busy"), not_before=NOW)
    second = claim(tasks, born, attempt=2)
    assert second.attempt == 2
    assert tasks.finish(second, Done(result="1"), result=Body(text="1"), now=SOON)
    done = tasks.get(born.id)
    assert done is not None
    assert (done.state, done.result, done.attempt) == (State.DONE, Body(text="1"), 2)


def test_the_records_of_a_list_show_all_that_its_status_is_made_of(
    lists: TaskLists, tasks: Tasks, created: TaskList
) -> None:
    size = CHUNK + 1
    lists.start_group(created, 0, parallel=0, failed_before=False)
    done = claim(tasks, birth(created, 0, 0))
    tasks.finish(done, Done(result="7"), result=Body(text="7"), now=SOON)
    closed = lists.close_group(created, 0, well=False, stopped_at=3, error="x")
    assert closed.stopped_at == 3
    lists.start_group(created, 1, parallel=2, failed_before=True)
    small = lists.end_task(created, 1, 1, well=False, parallel=2)
    group = lists.start_group(created, 2, parallel=size, failed_before=True)
    waiting = claim(tasks, birth(created, 2, 2))
    tasks.retry(waiting, Retry(delay=timedelta(), error="busy"), not_before=SOON)
    claim(tasks, birth(created, 2, 100))
    lists.end_task(created, 2, 5, well=False, parallel=size)

    records = lists.records(created.id)
    assert records is not None
    assert records.task_list == created
    assert records.groups == {0: closed, 1: small, 2: group}
    assert records.tasks == {(2, 2): State.PENDING, (2, 100): State.PENDING}
    assert records.failed == {0: frozenset(), 1: frozenset({1}), 2: frozenset({5})}
    assert lists.records("nobody") is None


def test_the_results_of_a_group_come_in_order(lists: TaskLists, tasks: Tasks, created: TaskList) -> None:
    for position in (10, 2, 0):
        task = claim(tasks, birth(created, 0, position))
        tasks.finish(task, Done(result="x"), result=Body(text=str(position)), now=SOON)
    claim(tasks, birth(created, 0, 3))
    other = claim(tasks, birth(created, 1, 0))
    tasks.finish(other, Done(result="x"), result=Body(text="other"), now=SOON)
    assert list(lists.results(created.id, 0)) == [Body(text="0"), Body(text="2"), Body(text="10")]
