"""Creating many tasks with one request: each answers for itself, and what is answered is durable."""

import json
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.errors import Unavailable
from task_service.domain.limits import MAX_BATCH
from task_service.domain.messages import message_of
from task_service.domain.task import Body, State, Task
from tests.support.builders import NOW, stored_template
from tests.unit.test_api import Answer, World, assert_problem
from tests.unit.test_guard import ISSUED_BY, bearing, guarded

pytestmark = pytest.mark.usefixtures("gateway")


def post(world: World, items: Any, **headers: str) -> Answer:
    """Create a batch of these items, or of a text that is sent as it is."""
    body = items if isinstance(items, str) else json.dumps(items)
    return world.ask("POST", "/v1/tasks", body=body, headers=headers)


def order(body: Any = 1, **members: Any) -> dict[str, Any]:
    return {"name": "greet", "body": body, **members}


def records(world: World, answer: Answer) -> list[Task | None]:
    """The records of a batch, None in the places of errors."""
    return [world.tasks.records[item["taskID"]] if "taskID" in item else None for item in answer.json]


def sent(world: World) -> list[Any]:
    return [one.message for one in world.queue.sent]


@pytest.fixture
def world() -> World:
    return World()


class TestWhereAllIsWell:
    def test_every_task_is_created_in_order(self, world: World) -> None:
        answer = post(world, [order(number) for number in range(MAX_BATCH)])
        assert answer.status == 200
        found = records(world, answer)
        assert [record and record.request for record in found] == [Body(text=str(n)) for n in range(MAX_BATCH)]
        assert sent(world) == [message_of(record) for record in found if record]

    def test_bodies_stay_as_they_were_written(self, world: World) -> None:
        bodies = ["12345678901234567890", '{"b": 1.10,"a" :[ ]}', '"\\u00e9"', "[]", "null", '{"body":{"body":1}}']
        text = ", ".join(f'{{"body" : {body} , "name":"greet"}}' for body in bodies)
        found = records(world, post(world, f" [{text}]\n"))
        assert [record and record.request for record in found] == [Body(text=body) for body in bodies]

    def test_each_task_has_its_own_members(self, world: World) -> None:
        answer = post(
            world,
            [
                order(cacheNamespace="東京", cacheScope="s"),
                order(delaySeconds=60),
                order(notBefore="2026-01-02T00:00:00Z", idempotencyKey="k"),
                order(cacheNamespace=None, cacheScope=None, delaySeconds=None, notBefore=None, idempotencyKey=None),
            ],
        )
        assert answer.status == 200
        first, second, third, last = (record for record in records(world, answer) if record is not None)
        assert (first.cache_namespace, first.cache_scope) == ("東京", "s")
        assert second.not_before == NOW + timedelta(seconds=60)
        assert third.not_before == NOW + timedelta(days=1)
        assert last.not_before is None
        delays = {one.message.task_id: one.delay_seconds for one in world.queue.sent}  # type: ignore[union-attr]
        assert delays == {first.id: 0, second.id: 60, third.id: 900, last.id: 0}

    def test_each_template_is_read_once(self, world: World) -> None:
        world.templates.records["other"] = stored_template("other")
        names = ["greet", "other", "nobody"] * 10
        before = world.templates.reads
        post(world, [{"name": name, "body": 1} for name in names])
        assert world.templates.reads == before + 3

    def test_a_key_is_the_same_as_the_one_of_a_single_creation(self, world: World) -> None:
        single = world.ask("POST", "/v1/task/greet", body='{"n": 1}', headers={"Idempotency-Key": "k"})
        items = '[{"name": "greet", "body": {"n": 1}, "idempotencyKey": "k"}]'
        assert post(world, items).json == post(world, items).json == [single.json]
        assert len(world.tasks.records) == 1

    def test_a_key_that_is_there_twice_makes_one_task(self, world: World) -> None:
        answer = post(world, [order(idempotencyKey="k"), order(idempotencyKey="k")])
        assert answer.status == 200
        assert answer.json[0] == answer.json[1]
        assert len(world.tasks.records) == 1

    def test_the_batch_needs_a_token_and_no_scope(self) -> None:
        guarding = guarded()
        assert post(guarding, [order()]).status == 401
        assert post(guarding, [order()], **bearing(ISSUED_BY.token(scope=""))).status == 200


class TestAnItemThatIsRefused:
    @pytest.mark.parametrize(
        ("item", "status", "message"),
        [
            ("1", 400, "task: a JSON object is expected"),
            ('{"name": "greet", "name": "greet", "body": 1}', 400, "task: the member 'name' is there twice"),
            ('{"body": 1}', 400, "name: Field required"),
            ('{"name": "greet"}', 400, "body: Field required"),
            ('{"name": 5, "body": 1}', 400, "name: Input should be a valid string"),
            ('{"name": "", "body": 1}', 400, "name: String should have at least 1 character"),
            (r'{"name": "\ud800", "body": 1}', 400, "name: half of a surrogate pair"),
            ('{"name": "nobody", "body": 1}', 404, "task template not found"),
            (r'{"name": "a\u0000b", "body": 1}', 404, "task template not found"),
            (
                '{"name": "greet", "body": 1, "delay": 5}',
                400,
                "delay: is not a member of task; name, body, idempotencyKey, delaySeconds, notBefore, group, "
                "cacheNamespace, cacheScope are",
            ),
            ('{"name": "greet", "body": 1, "delaySeconds": "5"}', 400, "delaySeconds: Input should be a valid integer"),
            (
                '{"name": "greet", "body": 1, "delaySeconds": 2592001}',
                400,
                "delaySeconds: Input should be less than or equal to 2592000",
            ),
            (
                '{"name": "greet", "body": 1, "notBefore": "tomorrow"}',
                400,
                "notBefore: 'tomorrow' is not a time as in RFC 3339",
            ),
            (
                '{"name": "greet", "body": 1, "notBefore": "2026-02-01T00:00:00Z"}',
                400,
                "notBefore: '2026-02-01T00:00:00Z' is more than 30 days ahead",
            ),
            (
                '{"name": "greet", "body": 1, "notBefore": "2026-01-02T00:00:00Z", "delaySeconds": 5}',
                400,
                "delaySeconds and notBefore: both are given",
            ),
            (
                '{"name": "greet", "body": 1, "idempotencyKey": "a b"}',
                400,
                "idempotencyKey: one key of 1 to 255 visible ASCII characters is expected",
            ),
            (
                r'{"name": "greet", "body": 1, "cacheScope": "a\u0000"}',
                400,
                "cacheScope: Unicode text without control characters",
            ),
            # A record of DynamoDB has 400 KB; one that is larger would take the others of its request with it.
            *(
                (json.dumps(order(**{name: "x" * 4_001})), 400, f"{name}: Unicode text without control characters")
                for name in ("cacheNamespace", "cacheScope")
            ),
        ],
    )
    def test_it_says_why_and_the_others_are_created(self, world: World, item: str, status: int, message: str) -> None:
        good = json.dumps(order())
        answer = post(world, f"[{good}, {item}, {good}]")
        assert answer.status == 207
        assert [record is not None for record in records(world, answer)] == [True, False, True]
        refusal = answer.json[1]
        assert set(refusal) == {"id", "kind", "message", "type", "title", "status", "detail"}
        assert refusal["status"] == status
        assert refusal["message"].startswith(message), refusal["message"]
        assert len(world.tasks.records) == len(world.queue.sent) == 2

    @pytest.mark.parametrize(
        "members",
        [
            f'"notBefore": "{"x" * 1_000_000}"',
            f'"{"x" * 1_000_000}": 1',
            r'"\ud800' + "x" * 1_000_000 + '": 1',
            ",".join(f'"m{number}": 1' for number in range(100_000)),
            '"_id": 1',
        ],
        ids=["a value", "a name", "a name that is no text", "many members", "what templates ignore"],
    )
    def test_its_error_is_short_whatever_is_wrong(self, world: World, members: str) -> None:
        # Lambda carries 6 MB. A client that does not get the answer does not know that the other task is created.
        answer = post(world, f'[{json.dumps(order())}, {{"name": "greet", "body": 1, {members}}}]')
        assert ("taskID" in answer.json[0], answer.json[1]["status"]) == (True, 400)
        assert len(answer.text) < 10_000

    def test_another_request_with_the_same_key_is_refused(self, world: World) -> None:
        answer = post(world, [order(1, idempotencyKey="k"), order(2, idempotencyKey="k")])
        assert answer.status == 207
        assert [item.get("status") for item in answer.json] == [None, 422]
        assert len(world.tasks.records) == 1

    def test_a_batch_of_refusals_is_207_too(self, world: World) -> None:
        answer = post(world, [{"name": "nobody", "body": 1}] * 2)
        assert answer.status == 207
        assert [item["status"] for item in answer.json] == [404, 404]
        assert answer.json[0]["id"] != answer.json[1]["id"]


class TestARequestThatIsRefused:
    @pytest.mark.parametrize(
        ("body", "status", "message"),
        [
            ("", 400, "missing required payload"),
            ("[1,]", 400, "payload is not valid JSON: Expecting value at line 1 column 4"),
            ("[NaN]", 400, "payload is not valid JSON: NaN is not a JSON value"),
            ("{}", 400, "payload: a JSON array of 1 to 100 tasks is expected"),
            ("null", 400, "payload: a JSON array of 1 to 100 tasks is expected"),
            ("[]", 400, "payload: 0 tasks, 1 to 100 are allowed"),
            (f"[{','.join(['1'] * 101)}]", 400, "payload: 101 tasks, 1 to 100 are allowed"),
        ],
    )
    def test_it_creates_nothing(self, world: World, body: str, status: int, message: str) -> None:
        assert_problem(post(world, body), status, 1, message)
        assert world.templates.reads == 0

    def test_it_has_the_limit_of_every_body(self, world: World) -> None:
        answer = post(world, [order("x" * 2_500_000), order("x" * 2_500_000)])
        assert answer.status == 413
        assert "at most 5000000 are allowed" in answer.json["message"]

    @pytest.mark.parametrize(
        ("header", "member"),
        [
            ("Idempotency-Key", "idempotencyKey"),
            ("x-task-delay", "delaySeconds"),
            ("x-task-not-before", "notBefore"),
            ("x-task-group", "group"),
            ("x-cache-namespace", "cacheNamespace"),
            ("x-cache-scope", "cacheScope"),
        ],
    )
    def test_a_header_of_a_single_creation_is_refused(self, world: World, header: str, member: str) -> None:
        message = f"{header}: is not a header of a batch; each task has it as its member {member}"
        assert_problem(post(world, [order()], **{header: "1"}), 400, 1, message)
        assert world.tasks.records == {}


class TestWhereThePlatformFails:
    def test_tasks_that_are_not_written_are_errors_and_the_others_are_created(self, world: World) -> None:
        world.tasks.faults.before = 1
        answer = post(world, [order(number) for number in range(30)])
        assert answer.status == 207
        assert [item.get("status") for item in answer.json] == [503] * 25 + [None] * 5
        assert len(world.tasks.records) == len(world.queue.sent) == 5

    def test_tasks_that_may_be_written_are_taken_back(self, world: World) -> None:
        world.tasks.faults.after = 1
        answer = post(world, [order(number) for number in range(30)])
        assert [item.get("status") for item in answer.json] == [503] * 25 + [None] * 5
        assert list(world.tasks.records) == [item["taskID"] for item in answer.json[25:]]
        assert len(world.queue.sent) == 5

    @pytest.mark.parametrize("fault", ["before", "after"])
    def test_tasks_whose_messages_are_not_taken_are_taken_back(self, world: World, fault: str) -> None:
        setattr(world.queue.faults, fault, 1)
        answer = post(world, [order(number) for number in range(15)])
        assert [item.get("status") for item in answer.json] == [503] * 10 + [None] * 5
        assert list(world.tasks.records) == [item["taskID"] for item in answer.json[10:]]

    def test_what_cannot_be_taken_back_is_after_the_next_creation(self, world: World) -> None:
        world.queue.faults.before = 1
        send_each = world.queue.send_each

        def then_break_the_table(messages: Any) -> Any:
            left = send_each(messages)
            world.tasks.faults.before = 1
            return left

        world.queue.send_each = then_break_the_table  # type: ignore[method-assign]
        assert [item["status"] for item in post(world, [order(), order()]).json] == [503, 503]
        assert [record.state for record in world.tasks.records.values()] == [State.CREATED] * 2
        world.queue.send_each = send_each  # type: ignore[method-assign]
        (kept,) = records(world, post(world, [order()]))
        assert list(world.tasks.records.values()) == [kept]

    def test_with_a_key_the_same_request_completes_what_was_not_sent(self, world: World) -> None:
        world.queue.faults.before = 1
        items = [order(idempotencyKey="k"), order(idempotencyKey="l")]
        assert [item["status"] for item in post(world, items).json] == [503, 503]
        (first, second) = world.tasks.records
        again = post(world, items)
        assert again.status == 200
        assert {item["taskID"] for item in again.json} == {first, second}
        assert {message.task_id for message in sent(world)} == {first, second}

    def test_after_a_key_that_cannot_be_written_no_other_is_tried(self, world: World) -> None:
        world.keys.faults.before = 1
        answer = post(world, [order(), *(order(idempotencyKey=f"k{number}") for number in range(3))])
        assert [item.get("status") for item in answer.json] == [None, 503, 503, 503]
        assert world.keys.records == {}

    def test_where_no_template_can_be_read_the_request_fails_as_a_whole(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(name: str) -> Any:
            raise Unavailable("fake: refused")

        monkeypatch.setattr(world.templates, "get", refuse)
        assert_problem(post(world, [order()]), 503, 7, "fake: refused")
        assert world.tasks.records == {}
