"""Taking events: one task for each event, however often it is delivered and whatever stops in between."""

import json
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from bridge.envelope import envelope
from task_service.domain.cloud_event import CloudEvent
from task_service.domain.errors import BadRequest, TooLarge, Unavailable
from task_service.domain.event_task import EventTask
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.template import StoredTemplate
from task_service.entrypoints.queues.event_batch import EventBatch
from task_service.testing import (
    FakeClock,
    InMemoryBodies,
    InMemoryPlatform,
)
from task_service.usecases import handle_event
from task_service.usecases.create_task import TaskCreator
from task_service.usecases.handle_event import EventHandler, EventOutcome
from tests.support.builders import services, stored_template
from tests.support.events import every_mode, malformed, structured

NAME = '["did:web:example.com","Login","Administration"]'


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock, bodies=InMemoryBodies(inline_bytes=10_000))
        self.event_tasks, self.templates = self.platform.event_tasks, self.platform.task_templates
        self.tasks, self.queue = self.platform.tasks, self.platform.queue

    @property
    def handler(self) -> EventHandler:
        return services(self.platform).event_handler

    def run(self, *messages: str) -> list[str]:
        """Have a batch taken; returns the positions of the messages that have to come again."""
        records = [
            {"messageId": str(number), "body": message, "attributes": {"ApproximateReceiveCount": "1"}}
            for number, message in enumerate(messages)
        ]
        metrics = Metrics(namespace="Test", service="task")
        metrics.clear_metrics()
        answer = EventBatch(metrics).run({"Records": records}, self.handler)
        self.metrics = {name: sum(metric["Value"]) for name, metric in metrics.metric_set.items()}
        metrics.clear_metrics()
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    metrics: dict[str, float] = field(default_factory=dict)


@pytest.fixture
def world() -> World:
    world = World()
    document = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration", "taskName": "greet"}
    world.event_tasks.records[NAME] = StoredTemplate(name=NAME, document=json.dumps(document), etag="1")
    world.templates.records["greet"] = stored_template(requestPolicy="r/g/n/1", cacheNamespace="login")
    return world


event = partial(structured, "1")


def message(**changes: Any) -> str:
    return envelope(*event(**changes))


def test_an_event_makes_a_task_with_the_request_that_policies_know(world: World) -> None:
    assert world.run(message()) == []
    (task,) = world.tasks.records.values()
    assert task.name == "greet"
    assert task.cache_namespace == "login"
    assert task.request is not None
    assert json.loads(task.request.text or "") == {
        "key": "did:web:example.com",
        "namespace": "Login",
        "scope": "Administration",
        "TaskName": "greet",
    }
    assert [sent.message for sent in world.queue.sent] == [TaskMessage(task_id=task.id, attempt=1)]
    assert world.metrics == {"EventsTaken": 1, "Created": 1}


def test_an_event_makes_one_task_in_whatever_modes_it_is_delivered(world: World) -> None:
    messages = [envelope(*published) for published in every_mode("1").values()]
    assert world.run(*messages) == []
    assert len(world.tasks.records) == 1
    assert world.tasks.writes == 1
    assert {sent.message for sent in world.queue.sent} == {message_of(task) for task in world.tasks.records.values()}


def test_events_with_different_ids_make_a_task_each(world: World) -> None:
    assert world.run(*(envelope(*structured(str(number))) for number in range(25))) == []
    assert len(world.tasks.records) == len(world.queue.sent) == 25


def test_a_crash_between_writing_and_sending_loses_nothing(world: World) -> None:
    world.handler.handle(message())
    assert len(world.tasks.records) == 1
    assert world.queue.sent == []

    assert world.run(message()) == []

    assert len(world.tasks.records) == len(world.queue.sent) == 1
    assert world.metrics == {"EventsRepeated": 1}


def test_a_record_whose_message_is_not_taken_stays_and_the_event_comes_again(world: World) -> None:
    world.queue.faults.before = 1
    assert world.run(message(), message(type="other")) == ["0"]
    assert len(world.tasks.records) == 1
    assert world.metrics == {"EventsUnmatched": 1}

    assert world.run(message()) == []
    assert len(world.tasks.records) == len(world.queue.sent) == 1


def test_a_message_whose_answer_got_lost_is_sent_again(world: World) -> None:
    world.queue.faults.after = 1
    assert world.run(message()) == ["0"]
    assert world.run(message()) == []
    assert len(world.tasks.records) == 1
    assert len(world.queue.sent) == 2


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_table_that_is_down_keeps_the_event(world: World, fault: str) -> None:
    setattr(world.tasks.faults, fault, 1)
    assert world.run(message()) == ["0"]
    assert world.queue.sent == []
    assert world.run(message()) == []
    assert len(world.tasks.records) == len(world.queue.sent) == 1


def test_a_fault_of_ours_keeps_its_event_and_not_its_neighbours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str) -> StoredTemplate | None:
        if "down" in name:
            raise Unavailable
        if "bug" in name:
            raise RuntimeError("a bug")
        return world.event_tasks.records.get(name)

    monkeypatch.setattr(world.event_tasks, "get", get)
    bodies = [message(), message(data={"key": "down"}), message(data={"key": "bug"}), message(id="2")]
    assert world.run(*bodies) == ["1", "2"]
    assert len(world.tasks.records) == 2


@pytest.mark.parametrize("reason", malformed("1"))
def test_a_malformed_event_is_dropped_counted_and_logged(
    world: World, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.run(envelope(*malformed("1")[reason])) == []
    assert world.metrics == {"EventsMalformed": 1}
    assert world.tasks.records == {}
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert vars(line)["reason"].startswith(reason.strip())


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), KeyError("id"), RecursionError(), UnicodeEncodeError])
def test_an_event_whose_reading_fails_does_not_come_again(
    world: World, fault: Exception | type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read(message: str) -> CloudEvent:
        raise fault if isinstance(fault, Exception) else fault("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    monkeypatch.setattr(handle_event, "from_envelope", read)
    assert world.run(message()) == []
    assert world.metrics == {"EventsMalformed": 1}
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    assert vars(caplog.records[1])["reason"] == "the event cannot be read"


@pytest.mark.parametrize("refusal", [BadRequest("payload: no"), TooLarge("payload too large")])
def test_an_event_whose_task_is_refused_does_not_come_again(
    world: World, refusal: BadRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise refusal

    monkeypatch.setattr(TaskCreator, "write_once", refuse)
    assert world.run(message()) == []
    assert world.metrics == {"EventsUnmatched": 1}
    assert vars(caplog.records[0])["reason"] == refusal.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "cache_delete_event"}, "its type is 'cache_delete_event'"),
        ({"data": {"key": "did:web:example.com"}}, "no event task waits"),
        ({"data": {"key": "did:web:example.com,login,Administration"}}, "no event task waits"),
        ({"data": {"key": "x" * 100_000}}, "no event task waits"),
    ],
)
def test_an_unmatched_event_is_dropped_counted_and_logged(
    world: World, changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert world.run(message(**changes)) == []
    assert world.metrics == {"EventsUnmatched": 1}
    assert world.tasks.records == {}
    (line,) = caplog.records
    assert line.levelname == "INFO"
    assert reason in vars(line)["reason"]


@pytest.mark.parametrize(
    ("template", "reason"),
    [(None, "task template does not exist"), (stored_template(), "task template has no requestPolicy")],
)
def test_an_event_task_without_a_fit_template_is_warned_about(
    world: World, template: StoredTemplate | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.templates.records.clear()
    if template is not None:
        world.templates.records["greet"] = template
    assert world.run(message()) == []
    assert world.metrics == {"EventsUnmatched": 1}
    (line,) = caplog.records
    assert (line.levelname, vars(line)["task"]) == ("WARNING", "greet")
    assert reason in vars(line)["reason"]


def test_a_template_deleted_just_then_is_no_template(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = world.handler
    answers = iter([SimpleNamespace(request_policy="p"), None])
    monkeypatch.setattr(type(intake.task_templates), "get", lambda *_: next(answers))
    event_tasks = SimpleNamespace(get=lambda _: EventTask.from_text(world.event_tasks.records[NAME].document))
    object.__setattr__(intake, "event_tasks", event_tasks)
    assert intake.handle(message()).outcome is EventOutcome.UNMATCHED


def test_what_a_publisher_chose_is_logged_short(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.run(message(id="x" * 10_000, source="y" * 10_000, data={}))
    (line,) = caplog.records
    assert len(vars(line)["event_id"]) == len(vars(line)["event_source"]) == 200
