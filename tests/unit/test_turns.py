"""Groups whose messages take turns: which one a message belongs to, and that every later message keeps it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain import messages
from task_service.domain.call import Answered
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.start import Start, group_of, is_group
from task_service.testing import InMemoryPlatform, ScriptedOutside, ScriptedTarget
from tests.support.builders import NOW, order, services, stored_template
from tests.unit.test_api import Answer, World, assert_problem

pytestmark = pytest.mark.usefixtures("gateway")

LIST = json.dumps({"groups": [{"execution": "parallel", "tasks": ["greet", "greet"]}]})


@pytest.fixture
def world() -> World:
    world = World()
    assert world.ask("PUT", "/v1/taskListTemplates/l", body=LIST).status == 201
    return world


def groups(platform: World | InMemoryPlatform) -> list[str]:
    """The groups of the messages that were sent."""
    return [one.message.queue_group for one in platform.queue.sent]


def create(world: World, path: str, group: str | None = None, **headers: str) -> Answer:
    return world.ask("POST", path, body="1", headers=headers | ({"x-task-group": group} if group is not None else {}))


@pytest.mark.parametrize("name", ["greet", "tenant-1/!\"#$%&'()*+,./:;<=>?@[]^_`{|}~", "x" * 128])
def test_a_template_s_name_is_its_group(name: str) -> None:
    assert group_of(name) == name


@pytest.mark.parametrize("name", ["müßig 名前", "a b", "x" * 129, "tab\t", "\x7f"])
def test_a_name_that_no_queue_takes_has_a_group_of_its_own(name: str) -> None:
    assert is_group(group_of(name))
    assert group_of(name) != group_of(f"{name}2")
    assert group_of(name) == group_of(name)


@pytest.mark.parametrize(("path", "name"), [("/v1/task/greet", "greet"), ("/v1/taskList/l", "l")])
def test_a_message_is_in_the_group_of_its_template_or_of_the_header(world: World, path: str, name: str) -> None:
    for group in (None, " tenant-1 "):
        assert create(world, path, group).status == 200
    assert groups(world) == [name, "tenant-1"]


@pytest.mark.parametrize("group", ["", "a b", "ü", "x" * 129])
def test_a_group_that_no_queue_takes_is_refused(world: World, group: str) -> None:
    answer = create(world, "/v1/task/greet", group)
    assert_problem(answer, 400, 1, "x-task-group: 1 to 128 visible ASCII characters are allowed")
    assert world.tasks.records == {}


def test_the_tasks_of_a_batch_have_groups_of_their_own(world: World) -> None:
    items = [{"name": "greet", "body": 1}, {"name": "greet", "body": 1, "group": "tenant-1"}]
    items.append({"name": "greet", "body": 1, "group": "a b"})
    answer = world.ask("POST", "/v1/tasks", body=json.dumps(items))
    assert [item.get("message") for item in answer.json] == [
        None,
        None,
        "group: 1 to 128 visible ASCII characters are allowed",
    ]
    assert groups(world) == ["greet", "tenant-1"]


def test_another_group_is_another_request_for_a_key(world: World) -> None:
    for group, status in (("a", 200), ("a", 200), ("b", 422), (None, 422)):
        assert create(world, "/v1/task/greet", group, **{"Idempotency-Key": "k"}).status == status


class TestLaterMessages:
    @pytest.fixture
    def platform(self) -> InMemoryPlatform:
        platform = InMemoryPlatform()
        platform.task_templates.records["greet"] = stored_template()
        platform.list_templates.records["l"] = stored_template("l")
        return platform

    def handle(self, platform: InMemoryPlatform, message: Any, *answers: Answered) -> None:
        outside = ScriptedOutside(target=ScriptedTarget(answers=list(answers)))
        platform.queue.sent.clear()
        handler = services(platform, outside).message_handler
        handler.handle(message, receipt="r", deadline=NOW + timedelta(seconds=60))

    @pytest.mark.parametrize("group", ["", "tenant-1"])
    def test_a_retry_keeps_the_group(self, platform: InMemoryPlatform, group: str) -> None:
        services(platform).task_creator.create(order(start=Start(group=group)))
        self.handle(platform, platform.queue.sent[0].message, Answered(status=503, result="1"))
        assert groups(platform) == [group or "greet"]

    def test_a_message_that_comes_early_keeps_the_group(self, platform: InMemoryPlatform) -> None:
        later = NOW + timedelta(hours=1)
        for message in (
            TaskMessage(task_id="t", attempt=1, not_before=later, queue_group="tenant-1"),
            GroupStart(list_id="l", not_before=later, queue_group="tenant-1"),
        ):
            self.handle(platform, message)
            assert groups(platform) == ["tenant-1"]

    def test_the_tasks_of_a_list_are_in_the_group_of_the_list(self, world: World) -> None:
        list_id = create(world, "/v1/taskList/l", "tenant-1").json["taskListID"]
        platform = InMemoryPlatform(tasks=world.tasks, task_templates=world.templates, bodies=world.bodies)
        platform.lists, platform.queue = world.lists, world.queue
        self.handle(platform, world.queue.sent[0].message)
        assert groups(platform) == ["tenant-1", "tenant-1"]
        first = platform.queue.sent[0].message
        self.handle(platform, first, Answered(status=503, result="1"))
        assert groups(platform) == ["tenant-1"]
        assert world.tasks.records[f"{list_id}.0.0"].queue_group == "tenant-1"


class TestTheText:
    @pytest.mark.parametrize("message", [TaskMessage(task_id="t", attempt=1), GroupStart(list_id="l", group=3)])
    @pytest.mark.parametrize("group", ["", "tenant-1"])
    def test_it_has_the_group(self, message: Any, group: str) -> None:
        read = messages.from_text(messages.to_text(replace(message, queue_group=group)))
        assert (read, read.queue_group) == (message, group)

    @pytest.mark.parametrize("group", ['""', "5", "null", '"a b"', '"ü"'])
    def test_a_group_that_no_queue_takes_is_no_message(self, group: str) -> None:
        with pytest.raises(ValueError, match="queueGroup is not the name of a group"):
            messages.from_text(f'{{"id": "t", "attempt": 1, "queueGroup": {group}}}')
