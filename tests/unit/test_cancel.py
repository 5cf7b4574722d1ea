"""Cancelling tasks and lists: what it says, and that it can be repeated from any point of a crash."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from task_service.domain.errors import Conflict, NotFound, Unavailable
from task_service.domain.messages import ListCancel, TaskMessage
from task_service.domain.task import Body, State
from task_service.domain.task_list import CHUNK, Plan, TaskListTemplate
from task_service.testing import (
    FakeClock,
    InMemoryPlatform,
    InMemoryTasks,
)
from task_service.usecases.cancel import COMPLETED_AFTER, Canceller
from tests.support import builders
from tests.support.builders import NOW, list_document, task, template


class World:
    """A list of these groups, and one task beside it."""

    def __init__(self, *groups: str, **changes: Any) -> None:
        self.clock = FakeClock(NOW)
        self.platform = InMemoryPlatform(clock=self.clock, tasks=InMemoryTasks(records={"task-1": task(**changes)}))
        self.tasks, self.lists = self.platform.tasks, self.platform.lists
        self.bodies, self.queue = self.platform.bodies, self.platform.queue
        list_template = TaskListTemplate.from_text(list_document(*groups or ("sequential 2",)))
        self.plan = Plan(template=list_template, tasks={name: template(name) for name in list_template.task_names})
        self.list = builders.task_list(plan=Body(text=self.plan.to_text()), cache_namespace="n", cache_scope="s")
        self.lists.add(self.list)
        self.services = builders.services(self.platform)
        self.reading = self.services.list_reader

    def canceller(self) -> Canceller:
        return self.services.canceller

    def states(self) -> list[list[str]]:
        overview = self.reading.overview("list")
        return [[overview.group_state(index), *overview.task_states(index)] for index in range(len(self.plan.groups))]


def test_a_task_that_has_not_ended_is_cancelled_and_says_why() -> None:
    world = World()
    cancelled = world.canceller().task("task-1")
    assert (cancelled.state, cancelled.error) == (State.CANCELLED, "cancelled on request")
    assert world.canceller().task("task-1") == cancelled


@pytest.mark.parametrize("state", [State.DONE, State.FAILED])
def test_a_task_that_has_ended_is_refused_with_the_reason(state: State) -> None:
    with pytest.raises(Conflict, match=f"task is {state}: only one that has not ended"):
        World(state=state).canceller().task("task-1")


@pytest.mark.parametrize("task_id", ["nobody", "nobody.0.0", "list.7.0", "list.0.7"])
def test_an_unknown_task_is_not_found(task_id: str) -> None:
    with pytest.raises(NotFound, match="task is not found"):
        World().canceller().task(task_id)


def test_a_task_whose_retention_has_ended_is_not_found() -> None:
    with pytest.raises(NotFound):
        World(expires_at=NOW).canceller().task("task-1")


def test_a_part_of_a_list_is_refused() -> None:
    world = World()
    with pytest.raises(Conflict, match="a part of taskList list"):
        world.canceller().task("list.0.1")
    assert list(world.tasks.records) == ["task-1"]


def test_a_list_that_has_not_started_never_does() -> None:
    world = World("sequential 2", "parallel 2")
    cancelled = world.canceller().task_list("list")
    assert (cancelled.state, cancelled.finished_at) == (State.CANCELLED, NOW)
    assert world.states() == [["cancelled"] * 3, ["cancelled"] * 3]
    started = world.lists.start_group(world.list, 0, parallel=0, failed_before=False)
    assert started.state is State.CANCELLED


def test_what_has_ended_stays_and_the_rest_of_a_list_is_cancelled() -> None:
    world = World("sequential 1", "parallel 3", "sequential 1")
    world.lists.start_group(world.list, 0, parallel=0, failed_before=False)
    world.lists.close_group(world.list, 0, well=True)
    world.lists.start_group(world.list, 1, parallel=3, failed_before=False)
    world.tasks.records["list.1.0"] = task("list.1.0", state=State.DONE)
    world.lists.end_task(world.list, 1, 0, well=True, parallel=3)
    world.tasks.records["list.1.1"] = task("list.1.1", state=State.PENDING, holder="a", lease_until=NOW)

    world.canceller().task_list("list")

    assert world.states() == [
        ["done", "done"],
        ["cancelled", "done", "cancelled", "cancelled"],
        ["cancelled", "cancelled"],
    ]
    claim = world.tasks.claim(
        TaskMessage(task_id="list.1.2", attempt=1), now=NOW, lease_until=NOW, holder="b", birth=task("list.1.2")
    )
    assert not claim.won


def test_of_a_large_group_only_what_has_not_ended_is_written() -> None:
    size = 2 * CHUNK
    world = World(f"parallel {size}")
    world.lists.start_group(world.list, 0, parallel=size, failed_before=False)
    for position in range(CHUNK):
        world.tasks.records[f"list.0.{position}"] = task(f"list.0.{position}", state=State.DONE)
        world.lists.end_task(world.list, 0, position, well=True, parallel=size)
    world.tasks.writes = 0
    world.canceller().task_list("list")
    assert world.tasks.writes == CHUNK
    assert world.states()[0] == ["cancelled"] + ["done"] * CHUNK + ["cancelled"] * CHUNK


def test_of_a_sequence_only_the_next_task_is_written() -> None:
    world = World("sequential 9")
    world.lists.start_group(world.list, 0, parallel=0, failed_before=False)
    world.tasks.records["list.0.0"] = task("list.0.0", state=State.DONE)
    world.tasks.writes = 0
    world.canceller().task_list("list")
    assert world.tasks.writes == 1
    assert world.states() == [["cancelled", "done", *["cancelled"] * 8]]


@pytest.mark.parametrize(("well", "state"), [(True, "done"), (False, "failed")])
def test_a_list_that_has_ended_is_refused_with_the_reason(well: bool, state: str) -> None:
    world = World()
    world.lists.end(world.list, well=well, now=NOW)
    with pytest.raises(Conflict, match=f"taskList is {state}: only one that has not ended"):
        world.canceller().task_list("list")


def test_an_unknown_list_is_not_found() -> None:
    with pytest.raises(NotFound, match="taskList is not found"):
        World().canceller().task_list("nobody")


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_after_an_error_cancelling_again_does_the_rest(fault: str, number: int) -> None:
    world = World("parallel 4")
    world.lists.start_group(world.list, 0, parallel=4, failed_before=False)
    canceller = world.canceller()
    calls = 0
    cancel = world.tasks.cancel

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number + 1:
            setattr(world.tasks.faults, fault, 1)
        return cancel(*args, **kwargs)

    world.tasks.cancel = failing  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        canceller.task_list("list")
    canceller.task_list("list")
    assert [world.tasks.records[f"list.0.{n}"].state for n in range(4)] == [State.CANCELLED] * 4


@dataclass
class OneFails:
    """Ports of which the call of this number fails, of all together: refused, or with its answer lost."""

    number: int
    fault: str
    calls: int = 0

    def __call__(self, port: Any) -> Any:
        return _Failing(port, self)


@dataclass
class _Failing:
    port: Any
    plan: OneFails

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.plan.calls += 1
            if self.plan.calls == self.plan.number:
                setattr(self.port.faults, self.plan.fault, 1)
            return getattr(self.port, name)(*args, **kwargs)

        return call


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_cancellation_that_breaks_off_is_completed_by_its_message(fault: str, number: int) -> None:
    # get, send, records, cancel_group, three tasks, and cancel
    world = World("parallel 3", "sequential 1")
    world.lists.start_group(world.list, 0, parallel=3, failed_before=False)
    fails = OneFails(number=number, fault=fault)
    canceller = Canceller(
        tasks=fails(world.tasks),
        lists=fails(world.lists),
        reading=world.services.task_reader,
        bodies=world.bodies,
        queue=fails(world.queue),
        clock=world.clock,
        notifier=world.services.canceller.notifier,
    )
    with pytest.raises(Unavailable):
        canceller.task_list("list")
    # The list is shown as cancelled after the last write only; before it, no task is that could still start.
    is_cancelled = world.lists.lists["list"].state is State.CANCELLED
    assert is_cancelled == (number == 8 and fault == "after")
    shown = {f"list.0.{n}" for n, state in enumerate(world.states()[0][1:]) if state == State.CANCELLED}
    assert shown == {task_id for task_id in world.tasks.records if task_id != "task-1"}
    sent = [sent.message for sent in world.queue.sent]
    # Nothing has happened where the message is not there.
    assert sent == [ListCancel(list_id="list")] * (number > 2 or (number == 2 and fault == "after"))
    for message in sent:
        assert isinstance(message, ListCancel)
        assert world.canceller().complete(message) == world.lists.lists["list"]
        assert world.lists.lists["list"].state is State.CANCELLED
        assert [world.tasks.records[f"list.0.{n}"].state for n in range(3)] == [State.CANCELLED] * 3
        assert world.states() == [["cancelled"] * 4, ["cancelled"] * 2]


def test_its_message_is_for_that_replay_only() -> None:
    world = World("sequential 2")
    world.lists.start_group(world.list, 0, parallel=0, failed_before=False)
    world.lists.close_group(world.list, 0, well=False, stopped_at=0)
    world.lists.end(world.list, well=False, now=NOW)
    assert world.canceller().complete(ListCancel(list_id="list")) is None
    opened = world.lists.replay("list", number=1)
    assert world.canceller().complete(ListCancel(list_id="list")) is None
    assert world.lists.lists["list"] == opened
    assert world.canceller().complete(ListCancel(list_id="nobody")) is None


def test_a_list_that_is_replayed_in_between_is_not_said_to_be_cancelled() -> None:
    world = World("sequential 2")
    send = world.queue.send

    def fails_and_is_replayed(*args: Any, **kwargs: Any) -> None:
        send(*args, **kwargs)
        world.lists.end(world.list, well=False, now=NOW)
        world.lists.replay("list", number=1)

    world.queue.send = fails_and_is_replayed  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="replayed meanwhile"):
        world.canceller().task_list("list")


def test_cancelling_again_sends_no_further_message() -> None:
    world = World()
    first = world.canceller().task_list("list")
    assert world.canceller().task_list("list") == first
    assert [(sent.message, sent.delay_seconds) for sent in world.queue.sent] == [
        (ListCancel(list_id="list"), COMPLETED_AFTER.total_seconds())
    ]


def test_a_cancelled_replay_leaves_what_it_has_not_reached_as_it_was() -> None:
    world = World("sequential 2", "sequential 1")
    for index in (0, 1):
        world.lists.start_group(world.list, index, parallel=0, failed_before=False)
        world.lists.close_group(world.list, index, well=False, stopped_at=0)
    world.lists.end(world.list, well=False, now=NOW)
    again = world.lists.replay("list", number=1)
    assert again == replace(world.list, replay=1)
    world.canceller().task_list("list")
    assert world.states() == [["cancelled", "cancelled", "cancelled"], ["failed", "failed"]]
