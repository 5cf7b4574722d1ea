"""Who did it: in the records, in what clients see, and in one audit line for every change."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from task_service.domain.context import Context
from task_service.domain.identity import MAX_NAME, Caller, printable
from task_service.domain.messages import ListCancel, TaskMessage, from_text, to_text
from task_service.domain.outcome import Handled
from task_service.domain.task import State
from task_service.entrypoints.telemetry import logger
from tests.support.builders import NOW, services, task
from tests.support.tokens import ADMIN
from tests.unit.test_api import Answer, World
from tests.unit.test_cancel import World as ListWorld
from tests.unit.test_guard import ISSUED_BY, guarded

pytestmark = pytest.mark.usefixtures("gateway")


@pytest.fixture
def world() -> World:
    return guarded()


def ask(world: World, method: str, path: str, *, sub: str | None = "ada", **event: Any) -> Answer:
    """The answer to an administrator."""
    headers = {"Authorization": f"Bearer {ISSUED_BY.token(sub=sub, scope=ADMIN)}"}
    return world.ask(method, path, headers={**headers, **event.pop("headers", {})}, **event)


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The audit lines since the last look."""
    lines = [dict(vars(record)) for record in caplog.records if hasattr(record, "audit")]
    caplog.clear()
    return lines


class TestTasks:
    def test_it_is_kept_and_shown_who_created_cancelled_and_replayed_a_task(self, world: World) -> None:
        task_id = ask(world, "POST", "/v1/task/greet", body="1").json["taskID"]
        assert world.tasks.records[task_id].context == Context(created_by="ada")
        world.tasks.records[task_id] = replace(world.tasks.records[task_id], state=State.FAILED)
        replayed = ask(world, "POST", f"/v1/tasks/{task_id}/replay", sub="bob").json
        assert (replayed["createdBy"], replayed["replayedBy"]) == ("ada", "bob")
        assert "cancelledBy" not in replayed
        ask(world, "POST", f"/v1/tasks/{task_id}/cancel", sub="eve")
        status = ask(world, "GET", f"/v1/taskStatus/{task_id}").json
        assert [status[name] for name in ("createdBy", "replayedBy", "cancelledBy")] == ["ada", "bob", "eve"]

    def test_without_authentication_or_sub_nothing_is_shown(self, world: World) -> None:
        unguarded = World()
        answers = (
            unguarded.ask("POST", "/v1/task/greet", body="1"),
            ask(world, "POST", "/v1/task/greet", sub=None, body="1"),
        )
        for served, created in zip((unguarded, world), answers, strict=True):
            record = served.tasks.records[created.json["taskID"]]
            assert record.context == Context()

    def test_the_executor_that_opens_a_replay_first_writes_who_asked_for_it(self, world: World) -> None:
        world.tasks.records["task-1"] = task(state=State.FAILED)
        message = TaskMessage(task_id="task-1", attempt=1, replay=1, by="ada")
        world.tasks.replay(message.task_id, number=1, by=message.by)
        replayed = ask(world, "POST", "/v1/tasks/task-1/replay", sub="bob").json
        assert replayed["replayedBy"] == "ada"

    def test_a_bulk_replay_names_its_caller_in_each_task(self, world: World) -> None:
        world.tasks.records["task-1"] = task(state=State.FAILED)
        [item] = ask(world, "POST", "/v1/replays", body='{"name": "greet"}').json["items"]
        assert item["replayedBy"] == "ada"
        [sent] = world.queue.sent
        assert sent.message == TaskMessage(task_id="task-1", attempt=1, replay=1, by="ada")


class TestLists:
    def test_a_cancelled_list_and_its_tasks_tell_who_did_it(self, world: World) -> None:
        world.lists.lists["list"] = replace(ListWorld().list, context=Context(created_by="ada"))
        summary = ask(world, "POST", "/v1/taskLists/list/cancel", sub="bob").json
        status = ask(world, "GET", "/v1/taskListStatus/list").json
        for shown in (summary, status):
            assert (shown["createdBy"], shown["cancelledBy"]) == ("ada", "bob")
        # One that has a record, and one that has none.
        groups = status["groups"]
        for task_id in (groups[0]["tasks"][0]["id"], groups[-1]["tasks"][-1]["id"]):
            shown = ask(world, "GET", f"/v1/taskStatus/{task_id}").json
            assert (shown["createdBy"], shown["cancelledBy"]) == ("ada", "bob")

    def test_the_executor_that_completes_a_cancellation_writes_who_asked_for_it(self) -> None:
        world = ListWorld()
        message = ListCancel(list_id="list", by="ada")
        step = services(world.platform).message_handler.handle(message, receipt="r", deadline=NOW)
        assert step.handled is Handled.DELETE
        assert world.lists.lists["list"].cancelled_by == "ada"

    def test_a_replayed_list_and_the_tasks_that_start_again_tell_who_did_it(self, world: World) -> None:
        world.lists.lists["list"] = replace(ListWorld().list, state=State.FAILED)
        assert ask(world, "POST", "/v1/taskLists/list/replay").json["replayedBy"] == "ada"


class TestAuditLines:
    def test_there_is_one_for_every_change_and_none_for_a_look(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="task")
        world.tasks.records["failed"] = task("failed", state=State.FAILED)
        entry = json.dumps({"key": "k", "taskName": "greet"})
        name = "/v1/taskTemplates/other"
        document = json.dumps({"url": "http://x.example/", "method": "GET", "headers": {"X-Key": "s3cret"}})
        made = [
            ask(world, "PUT", name, body=document),
            ask(world, "PUT", name, body=document.replace("GET", "POST")),
            ask(world, "DELETE", name),
            ask(world, "PUT", "/v1/eventTasks", body=entry),
            ask(world, "DELETE", "/v1/eventTasks", body=entry),
            ask(world, "POST", "/v1/task/greet", body='"payl0ad"'),
            ask(world, "POST", "/v1/tasks/failed/replay"),
            ask(world, "POST", "/v1/tasks/failed/cancel"),
        ]
        assert [answer.status for answer in made] == [201, 200, 204, 201, 204, 200, 200, 200]
        lines = audited(caplog)
        assert {line["sub"] for line in lines} == {"ada"}
        assert [(line["audit"], line.get("kind"), line.get("template") or line["task_id"]) for line in lines] == [
            ("created", "task template", "other"),
            ("changed", "task template", "other"),
            ("deleted", "task template", "other"),
            ("created", "event task", '["k","",""]'),
            ("deleted", "event task", '["k","",""]'),
            ("created", None, made[5].json["taskID"]),
            ("replayed", None, "failed"),
            ("cancelled", None, "failed"),
        ]
        assert not any("s3cret" in str(line) or "payl0ad" in str(line) for line in lines)

        ask(world, "GET", "/v1/taskTemplates/greet")
        ask(world, "GET", "/v1/taskStatus/failed")
        ask(world, "POST", "/v1/tasks/failed/replay")
        ask(world, "DELETE", name)
        assert audited(caplog) == []

    def test_a_bulk_replay_names_what_it_has_started(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="task")
        for task_id in ("a", "b"):
            world.tasks.records[task_id] = task(task_id, state=State.FAILED)
        ask(world, "POST", "/v1/replays", body='{"name": "greet"}')
        [line] = audited(caplog)
        assert (line["audit"], sorted(line["ids"])) == ("replayed", ["a", "b"])
        ask(world, "POST", "/v1/replays", body='{"name": "greet"}')
        assert audited(caplog) == []

    def test_a_batch_names_what_it_has_created(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="task")
        orders = [{"name": "greet", "body": 1}, {"name": "nothing", "body": 1}, {"name": "greet", "body": 2}]
        first, _, last = ask(world, "POST", "/v1/tasks", body=json.dumps(orders)).json
        [line] = audited(caplog)
        assert (line["audit"], line["sub"], line["ids"]) == ("created", "ada", [first["taskID"], last["taskID"]])
        assert {record.context for record in world.tasks.records.values()} == {Context(created_by="ada")}
        ask(world, "POST", "/v1/tasks", body=json.dumps(orders[1:2]))
        assert audited(caplog) == []

    def test_a_creation_that_is_repeated_has_none(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="task")
        for _ in range(2):
            ask(world, "POST", "/v1/task/greet", body="1", headers={"Idempotency-Key": "k"})
        assert len(audited(caplog)) == 1

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v1/task/greet", "1"),
            ("POST", "/v1/tasks", '[{"name": "greet", "body": 1, "idempotencyKey": "k"}]'),
        ],
    )
    @pytest.mark.parametrize("fault", ["before", "after"])
    def test_a_creation_that_its_repetition_finds_written_is_audited_when_it_fails(
        self, world: World, method: str, path: str, body: str, fault: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="task")
        headers = {"Idempotency-Key": "k"} if path == "/v1/task/greet" else {}
        setattr(world.queue.faults, fault, 1)
        failed = ask(world, method, path, body=body, headers=headers)
        assert failed.status in (503, 207)
        repeated = ask(world, method, path, body=body, headers=headers)
        assert repeated.status == 200
        [line] = audited(caplog)
        assert (line["audit"], line["sub"], line["status"]) == ("unsure", "ada", failed.status)

    @pytest.mark.parametrize(
        ("method", "path"), [("DELETE", "/v1/taskTemplates/greet"), ("PUT", "/v1/taskTemplates/greet")]
    )
    def test_a_change_whose_answer_was_lost_is_audited(
        self, world: World, method: str, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="task")
        world.templates.faults.after = 1
        assert ask(world, method, path, body='{"url": "http://x.example/", "method": "GET"}').status == 503
        [line] = audited(caplog)
        assert (line["audit"], line["sub"], line["method"], line["path"]) == ("unsure", "ada", method, path)

    def test_a_look_that_fails_has_none(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="task")
        world.templates.faults.before = 1
        assert ask(world, "GET", "/v1/taskTemplates/greet").status == 503
        assert audited(caplog) == []

    def test_a_bulk_replay_that_ends_half_way_names_what_it_has_started(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="task")
        for task_id in ("a", "b", "c"):
            world.tasks.records[task_id] = task(task_id, state=State.FAILED)
        send = world.queue.send

        def send_one(message: Any, **when: Any) -> None:
            world.queue.faults.before = len(world.queue.sent)
            send(message, **when)

        world.queue.send = send_one  # type: ignore[method-assign]
        assert ask(world, "POST", "/v1/replays", body='{"name": "greet"}').status == 503
        world.queue.send = send  # type: ignore[method-assign]
        world.queue.faults.before = 0
        assert ask(world, "POST", "/v1/replays", body='{"name": "greet"}').status == 200
        first, second = audited(caplog)
        assert (first["audit"], first["sub"], first["status"], len(first["ids"])) == ("replayed", "ada", 503, 1)
        assert sorted(first["ids"] + second["ids"]) == ["a", "b", "c"]

    def test_without_authentication_it_names_no_caller_and_a_level_leaves_it_out(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="task")
        World().ask("POST", "/v1/task/greet", body="1")
        [line] = audited(caplog)
        assert "sub" not in line
        caplog.set_level(logging.WARNING, logger="task")
        World().ask("POST", "/v1/task/greet", body="1")
        assert audited(caplog) == []

    def test_a_level_does_not_leave_it_out(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.getLogger("task"), "level", logging.ERROR)
        ask(world, "GET", "/v1/tasks")
        ask(world, "POST", "/v1/task/greet", body="1")
        [line] = caplog.records
        assert (line.levelname, vars(line)["audit"]) == ("INFO", "created")

    @pytest.mark.parametrize("sub", ["a\nb", "a\u2028b", 'a", "audit": "x', "a\x1b[2Jb", "\u202eada", "é" * 1_000])
    def test_no_sub_forges_a_line(self, world: World, sub: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="task")
        task_id = ask(world, "POST", "/v1/task/greet", sub=sub, body="1").json["taskID"]
        [record] = [record for record in caplog.records if hasattr(record, "audit")]
        line = logger.registered_formatter.format(record)
        assert line.isascii()
        assert line.splitlines() == [line]
        shown = json.loads(line)["sub"]
        assert (json.loads(line)["audit"], shown) == ("created", world.tasks.records[task_id].context.created_by)
        assert shown.isprintable()
        assert len(shown) <= MAX_NAME


class TestTemplates:
    @pytest.mark.parametrize(
        ("sub", "shown"), [("ada", "ada"), ("Zoë %/\u202e", "Zo%C3%AB %25/%EF%BF%BD"), (None, None)]
    )
    def test_the_answer_says_who_changed_it_and_the_document_stays(
        self, world: World, sub: str | None, shown: str | None
    ) -> None:
        document = '{"name":"other","url":"http://x.example/","method":"GET"}'
        ask(world, "PUT", "/v1/taskTemplates/other", sub=sub, body=document)
        answer = ask(world, "GET", "/v1/taskTemplates/other")
        assert (answer.text, answer.headers.get("x-changed-by")) == (document, shown)


class TestNames:
    def test_a_name_is_printable_and_short(self) -> None:
        assert printable("did:web:example.com#Ädä 1") == "did:web:example.com#Ädä 1"
        assert printable("a\x00\x85\ud800\u200bb") == "a\ufffd\ufffd\ufffd\ufffdb"
        assert printable("x" * MAX_NAME) == "x" * MAX_NAME
        assert printable("x" * (MAX_NAME + 1)) == "x" * (MAX_NAME - 1) + "…"

    def test_a_caller_has_the_name_of_its_token(self) -> None:
        assert Caller.from_claims({"sub": "ada", "iss": "i"}).name == "ada"
        assert Caller.from_claims({"iss": "i"}).name is None

    @pytest.mark.parametrize("by", ["a\nb", "x" * (MAX_NAME + 1), 7, ["a"]])
    def test_a_message_with_a_name_that_no_caller_has_is_none_of_this_service(self, by: Any) -> None:
        text = to_text(TaskMessage(task_id="a", attempt=1, replay=1, by="ada"))
        assert from_text(text) == TaskMessage(task_id="a", attempt=1, replay=1, by="ada")
        with pytest.raises(ValueError, match="not a message of this service: by is not"):
            from_text(json.dumps(json.loads(text) | {"by": by}))
