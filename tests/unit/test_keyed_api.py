"""Idempotency-Key over the API."""

import json
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.messages import message_of
from task_service.domain.task import Body, State
from tests.support.builders import stored_template
from tests.unit.test_api import Answer, World, assert_problem
from tests.unit.test_guard import ISSUED_BY, bearing, guarded
from tests.unit.test_waiting import done, waiting_world

pytestmark = pytest.mark.usefixtures("gateway")

LIST = json.dumps({"groups": [{"execution": "sequential", "tasks": ["greet"]}]})


def create(world: World, key: str = "k", path: str = "/v1/task/greet", body: str = "1", **headers: str) -> Answer:
    return world.ask("POST", path, body=body, headers={"idempotency-key": key} | headers)


@pytest.fixture
def world() -> World:
    world = World()
    assert world.ask("PUT", "/v1/taskListTemplates/l", body=LIST).status == 201
    return world


def test_the_same_key_and_request_get_the_same_answer(world: World) -> None:
    first, second = create(world), create(world, '"k"')
    assert first.status == second.status == 200
    assert first.json == second.json == {"taskID": next(iter(world.tasks.records))}
    assert set(first.headers) == {"Content-Type", "Cache-Control", "Vary", "X-Content-Type-Options"}
    assert len(world.tasks.records) == 1


def test_the_same_is_true_of_lists(world: World) -> None:
    first, second = create(world, path="/v1/taskList/l"), create(world, path="/v1/taskList/l")
    assert first.json == second.json == {"taskListID": next(iter(world.lists.lists))}


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/v1/task/other"},
        {"path": "/v1/taskList/l"},
        {"body": "2"},
        {"x-cache-namespace": "n"},
        {"X-Cache-Scope": "s"},
    ],
)
def test_the_same_key_with_another_request_is_422(world: World, change: dict[str, Any]) -> None:
    world.templates.records["other"] = stored_template("other")
    create(world)
    answer = create(world, **change)
    message = "Idempotency-Key: it was used for another request (resource, name, body, headers), use a new one"
    assert_problem(answer, 422, 1, message)
    assert answer.json["title"] == "Unprocessable Content"
    assert len(world.tasks.records) == 1


@pytest.mark.parametrize("key", ["", "a b", "ü", "k" * 256])
def test_what_is_no_key_is_400(world: World, key: str) -> None:
    answer = create(world, key)
    assert answer.status == 400
    assert answer.json["message"].startswith("Idempotency-Key: one key")
    assert world.tasks.records == {}


# An HTTP API joins them to "k,k", which is a key.
@pytest.mark.parametrize("gateway", ["REST"], indirect=True)
def test_two_keys_are_none(world: World) -> None:
    lines = {"Idempotency-Key": ["k", "k"]}
    answer = world.ask("POST", "/v1/task/greet", body="1", headers={"Idempotency-Key": "k"}, multiValueHeaders=lines)
    assert answer.status == 400
    assert world.keys.records == {}


@pytest.mark.parametrize(("path", "body"), [("/v1/task/greet", "oops"), ("/v1/task/nobody", "1")])
def test_what_is_refused_consumes_no_key(world: World, path: str, body: str) -> None:
    assert create(world, path=path, body=body).status in (400, 404)
    assert create(world).status == 200


def test_without_a_key_nothing_is_kept(world: World) -> None:
    world.ask("POST", "/v1/task/greet", body="1")
    assert world.keys.records == {}


def test_a_queue_that_does_not_answer_is_503_and_the_retry_sends(world: World) -> None:
    world.queue.faults.before = 1
    assert create(world).status == 503
    assert world.queue.sent == []
    answer = create(world)
    assert [sent.message for sent in world.queue.sent] == [message_of(world.tasks.records[answer.json["taskID"]])]


def test_what_is_created_once_is_counted_once(world: World) -> None:
    counted: list[str] = []
    count = world.metrics.add_metric
    world.metrics.add_metric = lambda name, *rest: (counted.append(name), count(name, *rest))[0]  # type: ignore[method-assign,func-returns-value]
    for path in ("/v1/task/greet", "/v1/task/greet", "/v1/taskList/l", "/v1/taskList/l"):
        create(world, path, path)
    assert counted == ["Created", "ListsCreated"]


def test_a_repeated_creation_waits_for_the_same_task() -> None:
    world = waiting_world()
    first = create(world, Prefer="wait=1")
    assert list(first.json) == ["taskID"]
    world.in_pause = lambda: done(world)
    second = create(world, Prefer="wait=5")
    assert second.text == '{"b": 1.50}'
    assert second.headers["x-task-id"] == first.json["taskID"]
    assert second.headers["Content-Location"] == f"../taskResult/{first.json['taskID']}"
    assert create(world).json == first.json


def test_of_what_has_ended_a_repeated_creation_gets_the_result_at_once() -> None:
    world = World()
    [task_id] = create(world).json.values()
    done(world)
    assert create(world, Prefer="wait=5").text == '{"b": 1.50}'
    assert world.pauses == []
    assert world.tasks.records[task_id].state is State.DONE
    assert world.tasks.records[task_id].result == Body(text='{"b": 1.50}')


def test_a_caller_never_gets_another_s_id() -> None:
    world = guarded()
    tokens = [
        ISSUED_BY.token(),
        ISSUED_BY.token(sub="bob"),
        ISSUED_BY.token(scope="another scope"),
    ]
    ada, bob, ada_again = [create(world, **bearing(token)).json["taskID"] for token in tokens]
    assert ada == ada_again
    assert ada != bob


def test_a_token_that_says_nothing_of_its_subject_has_no_keys() -> None:
    world = guarded()
    headers = bearing(ISSUED_BY.token(sub=None))
    assert_problem(
        create(world, **headers), 400, 1, "Idempotency-Key: the token has no claim sub, which says whose key it is"
    )
    assert world.ask("POST", "/v1/task/greet", body="1", headers=headers).status == 200


def test_a_key_ends_after_its_time(world: World) -> None:
    first = create(world).json
    world.clock.advance(timedelta(days=1).total_seconds())
    assert create(world).json != first
