"""Dead letters: the task ends, unless it has moved on."""

from datetime import timedelta
from typing import Any, Final

import pytest

from task_service.domain.errors import Unavailable
from task_service.domain.messages import CacheWrite, ListCancel, QueueMessage, TaskMessage
from task_service.domain.outcome import Handled, Step
from task_service.domain.task import State
from task_service.testing import FakeClock, InMemoryPlatform, InMemoryTasks
from tests.support.builders import NOW, services, task

DEAD_LETTER = TaskMessage(task_id="task-1", attempt=2)


class World:
    def __init__(self, **changes: Any) -> None:
        self.platform = InMemoryPlatform(clock=FakeClock(NOW), tasks=InMemoryTasks(records={"task-1": task(**changes)}))
        self.tasks, self.queue = self.platform.tasks, self.platform.queue

    def handle(self, message: QueueMessage = DEAD_LETTER) -> Step:
        handler = services(self.platform).dead_letter_handler
        return handler.handle(message, receipt="receipt-1", deadline=NOW + timedelta(seconds=60))


CRASHED: Final[dict[str, Any]] = {
    "state": State.PENDING,
    "attempt": 2,
    "lease_until": NOW - timedelta(seconds=1),
    "holder": "dead",
}


def test_a_task_whose_executor_has_crashed_is_failed_with_the_reason() -> None:
    world = World(**CRASHED)
    step = world.handle()
    assert (step.handled, step.outcome) == (Handled.DELETE, "failed")
    record = world.tasks.records["task-1"]
    assert record.state is State.FAILED
    assert record.error is not None
    assert "stopped" in record.error
    assert record.finished_at == NOW


def test_one_that_is_worked_on_is_looked_at_later() -> None:
    world = World(state=State.PENDING, attempt=2, lease_until=NOW + timedelta(seconds=1), holder="alive")
    assert world.handle().handled is Handled.KEEP


@pytest.mark.parametrize(
    "message",
    [CacheWrite(key="task-1", is_list=False, namespace="", scope=""), ListCancel(list_id="list")],
    ids=["cache write", "cancellation"],
)
def test_what_calls_no_target_is_tried_for_as_long_as_it_takes(message: QueueMessage) -> None:
    world = World()
    before = dict(world.tasks.records)
    assert world.handle(message).handled is Handled.DELETE
    assert [(sent.message, sent.delay_seconds) for sent in world.queue.sent] == [(message, 900)]
    assert world.tasks.records == before


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_one_that_has_ended_stays_as_it_is(state: State) -> None:
    world = World(state=state, attempt=2)
    assert world.handle().outcome == "finished"
    assert world.tasks.records["task-1"].state is state


@pytest.mark.parametrize("attempt", [2, 3])
def test_one_that_no_executor_has_started_gets_its_message_again(attempt: int) -> None:
    world = World(state=State.CREATED, attempt=attempt, not_before=NOW)
    before = world.tasks.records["task-1"]
    step = world.handle()
    assert (step.handled, step.outcome) == (Handled.DELETE, "resent")
    assert [sent.message for sent in world.queue.sent] == [
        TaskMessage(task_id="task-1", attempt=attempt, not_before=NOW)
    ]
    assert world.tasks.records["task-1"] == before


def test_one_without_a_record_is_dropped() -> None:
    assert World().handle(TaskMessage(task_id="nobody", attempt=1)).outcome == "unknown"


def test_a_table_that_does_not_answer_keeps_the_dead_letter() -> None:
    world = World(**CRASHED)
    world.tasks.faults.before = 1
    with pytest.raises(Unavailable):
        world.handle()
    assert world.handle().outcome == "failed"
