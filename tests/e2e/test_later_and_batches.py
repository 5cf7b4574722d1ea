"""Starting later, and creating many tasks at once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api, eventually
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget
from tests.support.task_lists import list_template

TOLERATED = timedelta(seconds=2)
LARGE = json.dumps("x" * 40_000)
"""A body that is kept outside its record."""


@pytest.fixture
def name(api: Api, target: HttpTarget) -> str:
    """A template whose target answers at once."""
    return api.template(target.on("/", answer()))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def post(api: Api, items: Any) -> tuple[int, Any]:
    created = api.call("POST", "/v1/tasks", items if isinstance(items, str) else json.dumps(items))
    return created.status, created.json()


@pytest.mark.parametrize("body", ["1", LARGE], ids=["small", "large"])
def test_a_task_is_called_once_after_its_delay(api: Api, target: HttpTarget, name: str, body: str) -> None:
    task_id = api.create(name, body, {"x-task-delay": "2"})
    waiting = api.status(task_id)
    assert (waiting["status"], waiting["attempts"], target.calls) == ("created", 0, [])
    due = moment(waiting["notBefore"])
    assert due == moment(waiting["createdAt"]) + timedelta(seconds=2)

    ended = api.done(task_id)

    assert timedelta() <= moment(ended["startedAt"]) - due <= TOLERATED
    assert "notBefore" not in ended
    assert len(target.calls) == 1


def test_a_list_starts_at_its_time(api: Api, target: HttpTarget, name: str) -> None:
    many = list_template(api, f"list-{uuid4()}", ("sequential", [name]), ("parallel", [name, name]))
    due = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="milliseconds")
    list_id = api.call("POST", f"/v1/taskList/{many}", "1", {"x-task-not-before": due}).json()["taskListID"]
    waiting = api.call("GET", f"/v1/taskListStatus/{list_id}")
    assert (waiting.status, waiting.json()["status"]) == (201, "created")
    assert moment(waiting.json()["notBefore"]) == moment(due)

    ended = eventually(
        lambda: (status := api.call("GET", f"/v1/taskListStatus/{list_id}")).status == 200 and status.json(),
        what="the list is done",
    )

    assert "notBefore" not in ended
    first = api.status(f"{list_id}.0.0")
    assert timedelta() <= moment(first["startedAt"]) - moment(due) <= TOLERATED
    assert len(target.calls) == 3


def test_what_waits_can_be_cancelled(api: Api, target: HttpTarget, name: str) -> None:
    many = list_template(api, f"list-{uuid4()}", ("sequential", [name]))
    later = {"x-task-delay": "1"}
    task_id = api.create(name, "1", later)
    list_id = api.call("POST", f"/v1/taskList/{many}", "1", later).json()["taskListID"]
    for path in (f"tasks/{task_id}", f"taskLists/{list_id}"):
        cancelled = api.call("POST", f"/v1/{path}/cancel")
        assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelled")
    # The next task is created after both, and due after both.
    api.done(api.create(name, "2", {"x-task-delay": "2"}))
    assert [call.body for call in target.calls] == [b"2"]


def test_the_tasks_of_a_batch_run_with_their_bodies_as_they_were_written(
    api: Api, target: HttpTarget, name: str
) -> None:
    bodies = ['{"b": 12345678901234567890, "a":1.10}', LARGE, '"\\u00e9"', *map(str, range(40))]
    text = ", ".join(f'{{"body" :{body}, "name": "{name}", "group": "tenant-{len(body)}"}}' for body in bodies)

    status, created = post(api, f"[{text}]")

    assert status == 200
    api.all_ended([item["taskID"] for item in created])
    called = {call.idempotency_key: (call.body or b"").decode() for call in target.calls}
    assert [called[item["taskID"]] for item in created] == bodies


def test_each_task_of_a_batch_answers_for_itself(api: Api, target: HttpTarget, name: str) -> None:
    key = uuid4().hex
    items = [
        {"name": name, "body": 1, "idempotencyKey": key},
        {"name": f"no {name}", "body": 1},
        {"name": name, "body": 2, "idempotencyKey": key},
        {"name": name, "body": 3},
        {"name": name, "body": 4, "delaySeconds": 3_000_000},
    ]
    status, first = post(api, items)
    assert status == 207
    assert [item.get("status") for item in first] == [None, 404, 422, None, 400]

    _, again = post(api, items)

    assert again[0] == first[0] == {"taskID": api.create(name, "1", {"Idempotency-Key": key})}
    api.all_ended([first[0]["taskID"], first[3]["taskID"], again[3]["taskID"]])
    assert sorted(call.body or b"" for call in target.calls) == [b"1", b"3", b"3"]
