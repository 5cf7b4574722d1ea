"""Messages of lists that name what the list does not have."""

from datetime import timedelta

import pytest

from task_service.domain.messages import GroupStart, QueueMessage, TaskMessage
from task_service.domain.outcome import Handled, Outcome
from task_service.domain.task import Body
from task_service.domain.task_list import Plan, TaskListTemplate
from task_service.testing import FakeClock, InMemoryPlatform, ScriptedOutside
from tests.support.builders import NOW, list_document, services, task_list, template


@pytest.mark.parametrize("dead", [False, True], ids=["message", "dead letter"])
@pytest.mark.parametrize(
    "message",
    [
        TaskMessage(task_id="list.0.99", attempt=1),
        TaskMessage(task_id="list.0.2", attempt=1),
        TaskMessage(task_id="list.1.0", attempt=1),
        TaskMessage(task_id="list.9999.9999", attempt=1),
        GroupStart(list_id="list", group=1),
        GroupStart(list_id="list", group=1_000_000),
        TaskMessage(task_id="nobody.0.0", attempt=1),
        GroupStart(list_id="nobody"),
    ],
)
def test_a_message_about_a_place_beyond_the_plan_is_dropped_as_one_without_a_record(
    message: QueueMessage, dead: bool
) -> None:
    platform, outside = InMemoryPlatform(clock=FakeClock(NOW)), ScriptedOutside()
    plan = Plan(
        template=TaskListTemplate.from_text(list_document("parallel 2")),
        tasks={name: template(name) for name in ("t0", "t1")},
    )
    platform.lists.add(task_list(plan=Body(text=plan.to_text())))
    made = services(platform, outside)
    handler = made.dead_letter_handler if dead else made.message_handler
    step = handler.handle(message, receipt="r", deadline=NOW + timedelta(seconds=60))
    assert (step.handled, step.outcome) == (Handled.DELETE, Outcome.UNKNOWN)
    assert (platform.lists.groups, platform.tasks.records, platform.queue.sent) == ({}, {}, [])
