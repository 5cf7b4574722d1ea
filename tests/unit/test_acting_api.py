"""The routes that cancel and replay: what they answer, and what they refuse."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.task import State
from tests.support.builders import NOW, task
from tests.unit.test_api import Answer, World
from tests.unit.test_cancel import World as ListWorld

pytestmark = pytest.mark.usefixtures("gateway")


@pytest.fixture
def world() -> World:
    return World()


def assert_refused(answer: Answer, status: int, kind: int, reason: str) -> None:
    assert (answer.status, answer.json["kind"]) == (status, kind)
    assert reason in answer.json["message"]


def add_failed(world: World, *task_ids: str, **changes: Any) -> None:
    for number, task_id in enumerate(task_ids):
        values: dict[str, Any] = {"state": State.FAILED, "error": "x", "created_at": NOW + timedelta(seconds=number)}
        world.tasks.records[task_id] = task(task_id, **(values | changes))


def add_list(world: World, **changes: Any) -> None:
    world.lists.lists["list"] = replace(ListWorld().list, **changes)


def replays(world: World, **members: Any) -> Answer:
    return world.ask("POST", "/v1/replays", body=json.dumps(members))


def test_cancelling_answers_with_the_status(world: World) -> None:
    world.tasks.records["task-1"] = task()
    answer = world.ask("POST", "/v1/tasks/task-1/cancel")
    assert answer.status == 200
    assert (answer.json["id"], answer.json["status"]) == ("task-1", "cancelled")
    assert answer.json["error"] == "cancelled on request"


@pytest.mark.parametrize("path", ["/v1/taskLists/list/cancel", "/v1/tasks/list/cancel"])
def test_cancelling_a_list_answers_with_its_summary(world: World, path: str) -> None:
    add_list(world)
    answer = world.ask("POST", path)
    assert answer.status == 200
    assert answer.json == {
        "id": "list",
        "name": "many",
        "status": "cancelled",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "finishedAt": "2026-01-01T00:00:00.000Z",
    }


def test_replaying_answers_with_the_status(world: World) -> None:
    add_failed(world, "task-1")
    answer = world.ask("POST", "/v1/tasks/task-1/replay")
    assert (answer.status, answer.json["status"], answer.json["attempts"], answer.json["error"]) == (
        200,
        "created",
        0,
        None,
    )
    assert [sent.message for sent in world.queue.sent] == [TaskMessage(task_id="task-1", attempt=1, replay=1)]


def test_replaying_a_list_answers_with_its_summary(world: World) -> None:
    add_list(world, state=State.FAILED, finished_at=NOW)
    answer = world.ask("POST", "/v1/taskLists/list/replay")
    assert (answer.status, answer.json["status"], answer.json["finishedAt"]) == (200, "pending", None)
    assert [sent.message for sent in world.queue.sent] == [GroupStart(list_id="list", replay=1)]


@pytest.mark.parametrize("action", ["cancel", "replay"])
def test_what_is_impossible_is_a_conflict_with_the_reason(world: World, action: str) -> None:
    world.tasks.records["task-1"] = task(state=State.DONE)
    assert_refused(world.ask("POST", f"/v1/tasks/task-1/{action}"), 409, 0, "task is done: only one")
    assert_refused(world.ask("POST", f"/v1/tasks/x/{action}"), 404, 5, "task is not found")
    assert_refused(world.ask("POST", f"/v1/taskLists/x/{action}"), 404, 5, "taskList is not found")


def test_replays_by_filter_start_what_failed_page_by_page(world: World) -> None:
    add_failed(world, "a", "b", "c")
    add_failed(world, "other", name="other")
    add_failed(world, "done", state=State.DONE)
    first = replays(world, name="greet", limit=2)
    assert [item["id"] for item in first.json["items"]] == ["c", "b"]
    assert {item["status"] for item in first.json["items"]} == {"created"}
    second = replays(world, name="greet", limit=2, next=first.json["next"])
    assert [item["id"] for item in second.json["items"]] == ["a"]
    assert (second.json["skipped"], second.json["next"]) == ([], None)
    assert world.tasks.records["other"].state is State.FAILED
    assert replays(world, name="greet").json["items"] == []
    assert len(world.queue.sent) == 3


def test_replays_by_time_take_lists_too(world: World) -> None:
    add_list(world, state=State.FAILED)
    answer = replays(world, resource="taskLists", since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00+00:00")
    assert [(item["id"], item["status"]) for item in answer.json["items"]] == [("list", "pending")]


def test_what_has_changed_since_it_was_found_is_skipped_with_the_reason(world: World) -> None:
    add_failed(world, "a", "b")
    get = world.tasks.get

    def changes(task_id: str) -> Any:
        if task_id == "a":
            world.tasks.records["a"] = task("a", state=State.PENDING)
        return get(task_id)

    world.tasks.get = changes  # type: ignore[method-assign]
    answer = replays(world, name="greet")
    assert [item["id"] for item in answer.json["items"]] == ["b"]
    assert answer.json["skipped"] == [
        {"id": "a", "reason": "task is pending: only one that has failed can be replayed"}
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "missing required payload"),
        ("{", "not valid JSON"),
        ("[]", "a JSON object is expected"),
        ("{}", "at least one of name, since, until is needed"),
        ('{"resource": "taskLists"}', "at least one of name, since, until is needed"),
        ('{"name": ""}', "name: "),
        ('{"name": 1}', "name: "),
        ('{"name": "n", "limit": 0}', "limit: "),
        ('{"name": "n", "limit": "5"}', "limit: "),
        ('{"name": "n", "limit": 101}', "limit: "),
        ('{"name": "n", "resource": "lists"}', "resource: "),
        ('{"name": "n", "state": "done"}', "state: is not a member of replays; resource, name, since"),
        ('{"since": "yesterday"}', "since: 'yesterday' is not a time"),
        ('{"until": "2026-01-01"}', "until: "),
        ('{"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}', "since: it is after until"),
        ('{"name": "n", "next": "!"}', "next: "),
    ],
)
def test_a_wrong_filter_is_refused_with_what_is_wrong(world: World, body: str, message: str) -> None:
    add_failed(world, "a")
    answer = world.ask("POST", "/v1/replays", body=body)
    assert_refused(answer, 400, 1, message)
    assert not world.queue.sent
