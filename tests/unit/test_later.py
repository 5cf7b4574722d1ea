"""Tasks and lists that start later: what a client says, what it sees, and what is kept for how long."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from task_service.domain.task import State
from tests.support.builders import NOW
from tests.unit.test_api import Answer, World, assert_problem

pytestmark = pytest.mark.usefixtures("gateway")

DAY = timedelta(days=1)
LIST = json.dumps({"groups": [{"execution": "sequential", "tasks": ["greet"]}]})
TASK, TASK_LIST = "/v1/task/greet", "/v1/taskList/l"

both_kinds = pytest.mark.parametrize("path", [TASK, TASK_LIST])


@pytest.fixture
def world() -> World:
    world = World()
    assert world.ask("PUT", "/v1/taskListTemplates/l", body=LIST).status == 201
    return world


def create(world: World, path: str, body: str = "1", **headers: str) -> Answer:
    return world.ask("POST", path, body=body, headers={name.replace("_", "-"): it for name, it in headers.items()})


def created(world: World, path: str, **headers: str) -> Any:
    """The record of what was created."""
    answer = create(world, path, **headers)
    assert answer.status == 200, answer.text
    (created_id,) = answer.json.values()
    return world.tasks.records[created_id] if path == TASK else world.lists.lists[created_id]


@both_kinds
@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ({"x_task_delay": "1200"}, NOW + timedelta(minutes=20)),
        ({"x_task_delay": " 2592000\t"}, NOW + 30 * DAY),
        ({"x_task_not_before": "2026-01-01T00:20:00Z"}, NOW + timedelta(minutes=20)),
        ({"x_task_not_before": "2026-01-31T01:00:00.000+01:00"}, NOW + 30 * DAY),
        ({"x_task_not_before": "2026-01-02T00:19:00+23:59"}, NOW + timedelta(minutes=20)),
        ({"x_task_not_before": "0001-01-01T00:00:00+23:59"}, None),
        ({"x_task_delay": "0"}, None),
        ({"x_task_not_before": "2025-12-31T23:59:59Z"}, None),
        ({}, None),
    ],
)
def test_it_starts_when_its_client_says(world: World, path: str, headers: dict[str, str], due: datetime | None) -> None:
    record = created(world, path, **headers)
    assert record.not_before == due
    assert due is None or record.not_before.utcoffset() == record.expires_at.utcoffset() == timedelta()
    [sent] = world.queue.sent
    assert getattr(sent.message, "not_before", None) == due
    assert bool(sent.delay_seconds) == (due is not None)


@both_kinds
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        *(
            (
                {"x_task_delay": wrong},
                f"x-task-delay: {wrong!r} is not a whole number of seconds from 0 to 2592000 (30 days)",
            )
            for wrong in ("", "-1", "1.5", "soon", "1e3", "٣")
        ),
        (
            {"x_task_delay": "2592001"},
            "x-task-delay: 2592001 is not a whole number of seconds from 0 to 2592000 (30 days)",
        ),
        (
            {"x_task_not_before": "tomorrow"},
            "x-task-not-before: 'tomorrow' is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z",
        ),
        (
            {"x_task_not_before": "2026-01-31T00:00:00"},
            "x-task-not-before: '2026-01-31T00:00:00' is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z",
        ),
        (
            {"x_task_not_before": "2026-01-02T00:00:00 05:00"},
            "x-task-not-before: '2026-01-02T00:00:00 05:00' is not a time as in RFC 3339, for example "
            "2026-01-31T12:00:00Z",
        ),
        (
            {"x_task_not_before": "2026-01-31T00:00:01Z"},
            "x-task-not-before: '2026-01-31T00:00:01Z' is more than 30 days ahead, the most that is allowed",
        ),
        (
            {"x_task_delay": "1", "x_task_not_before": "2026-01-02T00:00:00Z"},
            "x-task-delay and x-task-not-before: both are given, only one of them is allowed",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_is_allowed(
    world: World, path: str, headers: dict[str, str], message: str
) -> None:
    assert_problem(create(world, path, **headers), 400, 1, message)
    assert (world.tasks.records, world.lists.lists, world.queue.sent) == ({}, {}, [])


def test_a_long_wrong_value_is_cut_in_the_answer(world: World) -> None:
    assert len(create(world, TASK, x_task_delay="9" * 5_000).json["message"]) < 200


def test_the_status_of_a_task_says_how_long_it_waits(world: World) -> None:
    task = created(world, TASK, x_task_delay="60")
    status = world.ask("GET", f"/v1/taskStatus/{task.id}")
    assert (status.status, status.json["status"], status.json["attempts"]) == (201, "created", 0)
    assert status.json["notBefore"] == "2026-01-01T00:01:00.000Z"


def test_the_status_of_a_list_says_how_long_it_waits(world: World) -> None:
    task_list = created(world, TASK_LIST, x_task_delay="60")
    status = world.ask("GET", f"/v1/taskListStatus/{task_list.id}")
    assert (status.status, status.json["status"]) == (201, "created")
    assert status.json["notBefore"] == "2026-01-01T00:01:00.000Z"


@both_kinds
def test_what_has_started_or_waits_for_nothing_does_not_say_so(world: World, path: str) -> None:
    kind = "taskStatus" if path == TASK else "taskListStatus"
    at_once = created(world, path)
    assert "notBefore" not in world.ask("GET", f"/v1/{kind}/{at_once.id}").json
    waiting = created(world, path, x_task_delay="60")
    cancelled = world.ask("POST", f"/v1/{'tasks' if path == TASK else 'taskLists'}/{waiting.id}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert "notBefore" not in world.ask("GET", f"/v1/{kind}/{waiting.id}").json


@both_kinds
def test_retention_counts_from_the_time_when_it_is_due(world: World, path: str) -> None:
    record = created(world, path, x_task_delay="2592000")
    assert record.created_at == NOW
    assert record.expires_at == NOW + 30 * DAY + DAY


@both_kinds
def test_large_bodies_of_what_waits_are_kept_where_they_live_longer(world: World, path: str) -> None:
    large = '"' + "x" * 200 + '"'
    waiting, at_once = (create(world, path, large, **it) for it in ({"x_task_delay": "60"}, {}))
    for answer, prefix in ((waiting, "later/"), (at_once, "requests/")):
        (record_id,) = answer.json.values()
        assert [key for key in world.bodies.blobs if record_id in key and not key.startswith(prefix)] == []
        assert f"{prefix}{record_id}" in world.bodies.blobs


class TestWithAnIdempotencyKey:
    @both_kinds
    def test_the_key_lives_while_it_waits_and_then_its_usual_time(self, world: World, path: str) -> None:
        first = create(world, path, x_task_delay="864000", idempotency_key="k")
        world.clock.now = NOW + 10 * DAY + timedelta(hours=23)
        again = create(world, path, x_task_delay="864000", idempotency_key="k")
        assert again.json == first.json
        world.clock.now = NOW + 12 * DAY
        assert create(world, path, x_task_delay="864000", idempotency_key="k").json != first.json

    @both_kinds
    def test_a_repeated_request_does_not_move_the_start(self, world: World, path: str) -> None:
        first = created(world, path, x_task_delay="60", idempotency_key="k")
        world.clock.advance(30)
        again = created(world, path, x_task_delay="60", idempotency_key="k")
        assert again.not_before == first.not_before == NOW + timedelta(seconds=60)
        assert {sent.message for sent in world.queue.sent} == {world.queue.sent[0].message}
        assert [sent.delay_seconds for sent in world.queue.sent] == [60, 30]

    @both_kinds
    @pytest.mark.parametrize(
        "other", [{}, {"x_task_delay": "61"}, {"x_task_not_before": "2026-01-01T00:01:00Z"}], ids=str
    )
    def test_another_time_is_another_request(self, world: World, path: str, other: dict[str, str]) -> None:
        create(world, path, x_task_delay="60", idempotency_key="k")
        assert create(world, path, idempotency_key="k", **other).status == 422


def test_a_replay_of_what_started_later_starts_at_once(world: World) -> None:
    task = created(world, TASK, x_task_delay="60")
    failed = replace(task, state=State.FAILED, not_before=None)
    world.tasks.records[task.id] = failed
    world.queue.sent.clear()
    assert world.ask("POST", f"/v1/tasks/{failed.id}/replay").status == 200
    assert world.queue.sent[0].delay_seconds == 0
