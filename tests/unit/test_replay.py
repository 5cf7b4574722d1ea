"""Replaying: the message goes first, and from then on it happens once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.call import Answered
from task_service.domain.errors import Conflict, NotFound, Unavailable
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.outcome import Handled
from task_service.domain.task import State
from task_service.testing import ScriptedOutside, ScriptedTarget
from task_service.usecases.replay import Replayer
from tests.support import builders
from tests.support.builders import NOW, task
from tests.unit import test_cancel

LEASE = timedelta(seconds=60)
DEADLINE = NOW + LEASE


class World(test_cancel.World):
    def __init__(self, *groups: str, **changes: Any) -> None:
        super().__init__(*groups, **({"state": State.FAILED, "error": "x", "attempt": 3} | changes))
        self.target = ScriptedTarget()
        self.services = builders.services(self.platform, ScriptedOutside(target=self.target))

    @property
    def replayer(self) -> Replayer:
        return self.services.replayer

    def execute(self) -> None:
        """Handle what is in the queue."""
        handler = self.services.message_handler
        while self.queue.sent:
            sent = self.queue.sent.pop(0)
            self.clock.advance(sent.delay_seconds)
            assert handler.handle(sent.message, receipt="r", deadline=self.clock() + LEASE).handled is Handled.DELETE


def test_a_failed_task_starts_again_with_all_its_attempts() -> None:
    world = World(started_at=NOW, finished_at=NOW, response_code=500)
    replayed = world.replayer.task("task-1")
    assert (replayed.shown_state, replayed.attempt, replayed.replay) == (State.CREATED, 1, 1)
    assert (replayed.error, replayed.response_code, replayed.started_at, replayed.finished_at) == (None,) * 4
    assert [sent.message for sent in world.queue.sent] == [TaskMessage(task_id="task-1", attempt=1, replay=1)]
    world.execute()
    assert world.tasks.records["task-1"].state is State.DONE
    assert [call.headers["Idempotency-Key"] for call in world.target.calls] == ["task-1"]


def test_a_replayed_task_can_fail_and_be_replayed_again() -> None:
    world = World()
    world.target.answers = [Answered(status=500, result="1")]
    world.replayer.task("task-1")
    world.execute()
    record = world.tasks.records["task-1"]
    assert (record.state, record.attempt, record.replay) == (State.FAILED, 3, 1)
    assert len(world.target.calls) == 3
    world.target.answers = [Answered(status=200, result="1")]
    world.replayer.task("task-1")
    world.execute()
    assert (world.tasks.records["task-1"].state, world.tasks.records["task-1"].replay) == (State.DONE, 2)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": State.CREATED}, "created"),
        ({"state": State.CREATED, "started_at": NOW}, "pending"),
        ({"state": State.PENDING}, "pending"),
        ({"state": State.DONE}, "done"),
        ({"state": State.CANCELLED}, "cancelled"),
    ],
)
def test_what_has_not_failed_is_refused_with_the_reason(changes: dict[str, Any], state: str) -> None:
    world = World(**changes)
    with pytest.raises(Conflict, match=f"task is {state}: only one that has failed"):
        world.replayer.task("task-1")
    assert not world.queue.sent


def test_a_part_of_a_list_and_unknown_ones_are_refused() -> None:
    world = World()
    with pytest.raises(Conflict, match="a part of taskList list"):
        world.replayer.task("list.0.0")
    with pytest.raises(NotFound, match="task is not found"):
        world.replayer.task("nobody")
    with pytest.raises(NotFound, match="taskList is not found"):
        world.replayer.task_list("nobody")
    assert not world.queue.sent


def test_where_the_message_cannot_be_sent_nothing_has_happened() -> None:
    world = World()
    before = world.tasks.records["task-1"]
    world.queue.faults.before = 1
    with pytest.raises(Unavailable):
        world.replayer.task("task-1")
    assert world.tasks.records["task-1"] == before


@pytest.mark.parametrize("fault", ["before", "after"])
def test_where_the_write_fails_the_executor_that_takes_the_message_makes_it(fault: str) -> None:
    world = World()
    replayer = world.replayer
    replay = world.tasks.replay

    def failing(task_id: str, *, number: int, by: str | None = None) -> Any:
        world.tasks.replay = replay  # type: ignore[method-assign]
        setattr(world.tasks.faults, fault, 1)
        return replay(task_id, number=number, by=by)

    world.tasks.replay = failing  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        replayer.task("task-1")
    world.execute()
    assert world.tasks.records["task-1"].state is State.DONE
    assert len(world.target.calls) == 1


def test_asked_twice_at_once_it_happens_once() -> None:
    world = World()
    failed = world.tasks.records["task-1"]
    world.replayer.task("task-1")
    # The other one had read it before.
    written, world.tasks.records["task-1"] = world.tasks.records["task-1"], failed
    world.replayer.task("task-1")
    assert world.tasks.records["task-1"] == written
    assert len(world.queue.sent) == 2
    world.execute()
    assert len(world.target.calls) == 1


@pytest.mark.parametrize(
    "changes",
    [{"state": State.CREATED}, {"state": State.CREATED, "attempt": 2, "started_at": NOW}, {"state": State.PENDING}],
)
def test_asked_for_while_a_replay_is_under_way_the_answer_is_the_same(changes: dict[str, Any]) -> None:
    world = World(replay=1, **changes)
    before = world.tasks.records["task-1"]
    assert world.replayer.task("task-1") == before
    assert world.queue.sent == []


def test_asked_twice_for_a_list_it_happens_once_and_both_are_told_so() -> None:
    world = World("sequential 1")
    world.lists.end(world.list, well=False, now=NOW)
    first = world.replayer.task_list("list")
    assert world.replayer.task_list("list") == first
    assert [sent.message for sent in world.queue.sent] == [GroupStart(list_id="list", replay=1)]


def test_a_dead_letter_of_a_replay_that_was_not_written_starts_it() -> None:
    world = World(error="of the first time")
    letters = world.services.dead_letter_handler
    first = TaskMessage(task_id="task-1", attempt=1, replay=1)
    letters.handle(first, receipt="r", deadline=DEADLINE)
    record = world.tasks.records["task-1"]
    assert (record.state, record.replay) == (State.CREATED, 1)
    assert [sent.message for sent in world.queue.sent] == [first]


def test_a_failed_list_is_opened_and_shows_what_starts_again() -> None:
    world = World("sequential 2", "parallel 2", "sequential 1")
    world.lists.start_group(world.list, 0, parallel=0, failed_before=False)
    world.lists.close_group(world.list, 0, well=False, stopped_at=1)
    world.lists.start_group(world.list, 1, parallel=2, failed_before=True)
    world.lists.end_task(world.list, 1, 0, well=False, parallel=2)
    world.lists.end_task(world.list, 1, 1, well=True, parallel=2)
    world.lists.close_group(world.list, 1, well=False)
    world.lists.start_group(world.list, 2, parallel=0, failed_before=True)
    world.lists.close_group(world.list, 2, well=True)
    world.lists.end(world.list, well=False, now=NOW)

    replayed = world.replayer.task_list("list")

    assert (replayed.state, replayed.replay, replayed.finished_at) == (State.CREATED, 1, None)
    assert [sent.message for sent in world.queue.sent] == [GroupStart(list_id="list", replay=1)]
    assert world.reading.overview("list").state is State.PENDING
    assert world.states() == [["created", "done", "created"], ["created", "created", "done"], ["done", "done"]]


@pytest.mark.parametrize(("end", "state"), [("none", "under way"), ("done", "done"), ("cancelled", "cancelled")])
def test_a_list_that_has_not_failed_is_refused_with_the_reason(end: str, state: str) -> None:
    world = World()
    if end == "cancelled":
        world.canceller().task_list("list")
    elif end == "done":
        world.lists.end(world.list, well=True, now=NOW)
    sent = list(world.queue.sent)
    with pytest.raises(Conflict, match=f"taskList is {state}: only one that has failed"):
        world.replayer.task_list("list")
    assert world.queue.sent == sent


def test_a_task_that_a_replay_has_not_come_to_yet_reads_as_its_list_shows_it() -> None:
    world = World("sequential 2", "parallel 2")
    for index, parallel in ((0, 0), (1, 2)):
        world.lists.start_group(world.list, index, parallel=parallel, failed_before=index > 0)
        for position in range(2 if parallel else 1):
            record = task(f"list.{index}.{position}", state=State.FAILED, error="x", attempt=3, started_at=NOW)
            world.tasks.records[record.id] = record
            if parallel:
                world.lists.end_task(world.list, index, position, well=False, parallel=parallel)
        world.lists.close_group(world.list, index, well=False, stopped_at=None if parallel else 0)
    world.lists.end(world.list, well=False, now=NOW)
    assert world.services.task_reader.task("list.1.0").state is State.FAILED

    world.replayer.task_list("list")

    for task_id in ("list.0.0", "list.0.1", "list.1.0", "list.1.1"):
        seen = world.services.task_reader.task(task_id)
        assert (seen.state, seen.attempts, seen.error, seen.started_at) == (State.CREATED, 0, None, None)
    opened = world.lists.lists["list"]
    world.lists.start_group(opened, 0, parallel=0, failed_before=False)
    world.lists.close_group(opened, 0, well=False, stopped_at=0)
    world.tasks.records["list.0.0"] = replace(world.tasks.records["list.0.0"], replay=1)
    assert world.services.task_reader.task("list.0.0").state is State.FAILED
    assert world.services.task_reader.task("list.1.0").state is State.CREATED


@pytest.mark.parametrize("list_is_removed", [True, False])
def test_a_failed_task_whose_list_is_no_longer_kept_is_not_found_as_a_task(list_is_removed: bool) -> None:
    world = World()
    world.tasks.records["list.0.0"] = task("list.0.0", state=State.FAILED, error="x", expires_at=NOW)
    world.lists.lists["list"] = replace(world.list, expires_at=NOW)
    if list_is_removed:
        # The table removes expired records one by one.
        del world.lists.lists["list"]
    with pytest.raises(NotFound, match="task is not found"):
        world.services.task_reader.task("list.0.0")
