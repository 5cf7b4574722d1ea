"""Dead letters: the task ends, unless it has moved on."""

from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.errors import Unavailable
from task_service.domain.task import CacheWrite, ListCancel, Message, QueueMessage, State
from task_service.testing import FakeClock, InMemoryQueue, InMemoryTasks
from task_service.usecases.attempt import Handled, Step
from task_service.usecases.fail_abandoned import DeadLetters
from tests.builders import NOW, list_run, task

DEAD_LETTER = Message(task_id="task-1", attempt=2)


class World:
    def __init__(self, **changes: Any) -> None:
        self.tasks = InMemoryTasks(records={"task-1": task(**changes)})
        self.queue = InMemoryQueue()

    def handle(self, message: QueueMessage = DEAD_LETTER) -> Step:
        letters = DeadLetters(
            tasks=self.tasks, queue=self.queue, lists=list_run(self.tasks, self.queue), clock=FakeClock(NOW)
        )
        return letters.handle(message, receipt="receipt-1", deadline=NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.CREATED, "attempt": 2},
        {"state": State.PENDING, "attempt": 2, "lease_until": NOW - timedelta(seconds=1), "holder": "dead"},
    ],
)
def test_a_task_that_nobody_works_on_is_failed_with_the_reason(changes: dict[str, Any]) -> None:
    world = World(**changes)
    step = world.handle()
    assert (step.handled, step.event) == (Handled.DELETE, "failed")
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
    assert world.handle().event == "finished"
    assert world.tasks.records["task-1"].state is state


def test_one_that_waits_for_a_later_attempt_gets_that_message_again() -> None:
    world = World(state=State.CREATED, attempt=3)
    assert world.handle().event == "resent"
    assert world.queue.sent[0].message == Message(task_id="task-1", attempt=3)


def test_one_without_a_record_is_dropped() -> None:
    assert World().handle(Message(task_id="nobody", attempt=1)).event == "unknown"


def test_a_table_that_does_not_answer_keeps_the_dead_letter() -> None:
    world = World(attempt=2)
    world.tasks.faults.before = 1
    with pytest.raises(Unavailable):
        world.handle()
    assert world.handle().event == "failed"
