"""Batches: side by side, reported one by one."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from task_service.domain.call import Answered
from task_service.domain.errors import Unavailable
from task_service.domain.isolation import MAX_CRASHES
from task_service.domain.messages import (
    CacheWrite,
    GroupStart,
    ListCancel,
    QueueMessage,
    TaskMessage,
    from_text,
    to_text,
)
from task_service.domain.outcome import Attempt, Handled, Outcome, Step
from task_service.domain.retry import Decision, Done, Failed, Retry, decide
from task_service.domain.template import RetryPolicy
from task_service.entrypoints.queues.task_batch import Batch, Queues
from task_service.testing import InMemoryQueue, InMemoryUnreadable
from task_service.wiring.services import utc_now
from tests.support.builders import NOW, task

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def event(*bodies: str, receives: Sequence[int] = ()) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(count)},
            }
            for number, (body, count) in enumerate(zip(bodies, receives or [1] * len(bodies), strict=True))
        ]
    }


def message(task_id: str) -> str:
    return json.dumps({"id": task_id, "attempt": 1})


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(namespace="Test", service="task")
    metrics.clear_metrics()
    return metrics


@dataclass
class World:
    """An executor, and the queues beside its own."""

    metrics: Metrics
    isolates: bool = True
    queue: InMemoryQueue = field(default_factory=InMemoryQueue)
    unreadable: InMemoryUnreadable = field(default_factory=InMemoryUnreadable)

    def run(self, event: dict[str, Any], handle: Any) -> list[str]:
        """The ids of the messages that have to come again."""
        queues = Queues(tasks=self.queue, unreadable=self.unreadable)
        return failures(Batch(self.metrics, isolates=self.isolates).run(event, CONTEXT, handle, queues, utc_now))


@pytest.fixture
def world(metrics: Metrics) -> World:
    return World(metrics)


def failures(response: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


def test_only_the_messages_that_have_to_come_again_are_reported(world: World) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        assert isinstance(message, TaskMessage)
        if message.task_id == "down":
            raise Unavailable
        if message.task_id == "broken":
            raise RuntimeError("a bug")
        handled = Handled.KEEP if message.task_id == "leased" else Handled.DELETE
        return Step(handled=handled, outcome=Outcome.FINISHED)

    bodies = [message(task_id) for task_id in ("fine", "down", "broken", "leased", "fine")]
    assert world.run(event(*bodies), handle) == ["m1", "m2", "m3"]


def test_an_empty_batch_is_fine(world: World) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        raise AssertionError("nothing to handle")

    assert world.run({"Records": []}, handle) == []


def test_the_messages_of_a_batch_run_side_by_side(world: World) -> None:
    together = threading.Barrier(10, timeout=5)

    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        together.wait()
        return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)

    assert world.run(event(*[message(str(n)) for n in range(10)]), handle) == []


def test_what_was_done_is_measured(world: World) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        assert isinstance(message, TaskMessage)
        outcome = Outcome(message.task_id)
        decision: Done | Retry = Done(result="1")
        if outcome is Outcome.RETRIED:
            decision = Retry(delay=timedelta(), error="busy")
        run = Attempt(outcome=outcome, task=task(attempt=2), decision=decision, ended_at=NOW.replace(second=1))
        return Step(handled=Handled.DELETE, outcome=outcome, attempts=(run,))

    world.run(event(*[message(name) for name in ("done", "failed", "retried", "lost")]), handle)
    measured = {name: values["Value"] for name, values in world.metrics.metric_set.items()}
    assert measured == {
        "Done": [1.0],
        "Failed": [1.0],
        "Retried": [1.0],
        "CreateToDone": [1000.0, 1000.0],
        "Attempts": [2.0, 2.0],
    }


def test_how_long_a_replay_comes_after_the_creation_is_not_measured(world: World) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        replayed = task(attempt=1, replay=1)
        run = Attempt(outcome=Outcome.DONE, task=replayed, decision=Done(result="1"), ended_at=NOW.replace(year=2027))
        return Step(handled=Handled.DELETE, outcome=Outcome.DONE, attempts=(run,))

    world.run(event(message("t")), handle)
    assert {name: values["Value"] for name, values in world.metrics.metric_set.items()} == {
        "Done": [1.0],
        "Attempts": [1.0],
    }


def test_redirects_are_logged_where_there_were_any(world: World, caplog: pytest.LogCaptureFixture) -> None:
    decisions: list[Decision] = [
        Done(result="1", redirects=1, final_origin="https://login.example"),
        Failed(error="no", redirects=2, final_origin="http://other.example:81"),
        Done(result="1"),
    ]

    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        run = Attempt(outcome=Outcome.DONE, task=task(), decision=decisions.pop(0), ended_at=NOW)
        return Step(handled=Handled.DELETE, outcome=Outcome.DONE, attempts=(run,))

    caplog.set_level("INFO", logger="task")
    for _ in range(3):
        world.run(event(message("t")), handle)
    told = [(vars(record).get("redirects"), vars(record).get("final_origin")) for record in caplog.records]
    assert told == [(1, "https://login.example"), (2, "http://other.example:81"), (None, None)]


def test_what_a_target_says_is_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    answered = Answered(status=422, result='"the card 4111-1111 is declined"')
    decision = decide(
        answered, attempt=1, policy=RetryPolicy(), default_max_attempts=1, accept=("2xx",), now=NOW, draw=0
    )
    assert isinstance(decision, Failed)
    assert "4111" in decision.error

    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        run = Attempt(outcome=Outcome.FAILED, task=task(), decision=decision, ended_at=NOW)
        return Step(handled=Handled.DELETE, outcome=Outcome.FAILED, attempts=(run,))

    caplog.set_level("INFO", logger="task")
    world.run(event(message("t")), handle)
    reasons = [getattr(record, "reason", None) for record in caplog.records]
    assert reasons == ["the target answered 422"]


# -- messages that may have crashed their executor


def done(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
    return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)


class Recorder:
    """Handles messages, and knows which."""

    def __init__(self) -> None:
        self.handled: list[QueueMessage] = []

    def __call__(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        self.handled.append(message)
        return done(message, receipt=receipt, deadline=deadline)


def test_a_message_that_came_before_is_handled_alone_and_the_others_are_given_back(world: World) -> None:
    recorder = Recorder()
    batch = event(message("a"), message("b"), message("c"), receives=[1, 3, 2])
    assert world.run(batch, recorder) == []
    assert recorder.handled == [TaskMessage(task_id="b", attempt=1, crashes=2)]
    assert [sent.message for sent in world.queue.sent] == [
        TaskMessage(task_id="a", attempt=1),
        TaskMessage(task_id="c", attempt=1, crashes=1),
    ]
    assert world.queue.given_back == ["r0", "r2"]


def test_a_message_that_was_given_back_is_still_handled_alone(world: World) -> None:
    recorder = Recorder()
    suspect = to_text(TaskMessage(task_id="a", attempt=1, crashes=1))
    assert world.run(event(message("b"), suspect), recorder) == []
    assert recorder.handled == [TaskMessage(task_id="a", attempt=1, crashes=1)]
    assert world.queue.given_back == ["r0"]


def test_the_crashes_before_and_after_a_message_was_given_back_add_up(world: World) -> None:
    recorder = Recorder()
    world.run(event(to_text(TaskMessage(task_id="a", attempt=1, crashes=2)), receives=[3]), recorder)
    assert recorder.handled == [TaskMessage(task_id="a", attempt=1, crashes=4)]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_nothing_runs_beside_a_suspect_that_the_queue_does_not_take_back(world: World, fault: str) -> None:
    setattr(world.queue.faults, fault, 1)
    recorder = Recorder()
    assert world.run(event(message("a"), message("b"), receives=[1, 2]), recorder) == ["m0", "m1"]
    assert recorder.handled == []


def test_dead_letters_are_handled_side_by_side_however_often_they_came(world: World) -> None:
    world.isolates, recorder = False, Recorder()
    assert world.run(event(message("a"), message("b"), receives=[6, 7]), recorder) == []
    assert [message.crashes for message in recorder.handled] == [0, 0]
    assert world.queue.sent == []


class Crash(BaseException):
    """The executor's process is gone."""


@dataclass
class Delivery:
    """A message in a queue that counts deliveries as SQS does."""

    body: str
    receives: int = 0


@pytest.mark.parametrize("place", range(10))
def test_of_ten_messages_that_share_a_crash_only_the_guilty_one_is_given_up(world: World, place: int) -> None:
    calls: Counter[str] = Counter()
    given_up: list[str] = []

    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        assert isinstance(message, TaskMessage)
        if message.crashes >= MAX_CRASHES:
            given_up.append(message.task_id)
        else:
            calls[message.task_id] += 1
            if message.task_id == "guilty":
                raise Crash
        return done(message, receipt=receipt, deadline=deadline)

    innocent = [f"innocent-{number}" for number in range(9)]
    queue = [Delivery(message(name)) for name in [*innocent[:place], "guilty", *innocent[place:]]]
    for _ in range(50):
        batch, queue = queue[:10], queue[10:]
        for delivery in batch:
            delivery.receives += 1
        world.queue.sent.clear()
        try:
            world.run(event(*[one.body for one in batch], receives=[one.receives for one in batch]), handle)
        except Crash:
            # What was given back is gone; the rest comes again.
            given_back = {to_text(sent.message) for sent in world.queue.sent}
            queue += [one for one in batch if as_given_back(one) not in given_back]
        queue += [Delivery(to_text(sent.message)) for sent in world.queue.sent]
    assert queue == []
    assert given_up == ["guilty"]
    assert calls.pop("guilty") == MAX_CRASHES
    # All ten were called when the executor crashed first.
    assert calls == Counter(dict.fromkeys(innocent, 2))


def as_given_back(delivery: Delivery) -> str:
    """The text of the new message of a delivered one."""
    message = from_text(delivery.body)
    return to_text(replace(message, crashes=message.crashes + delivery.receives - 1))


# -- texts that are no message


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"id":1,"attempt":1}',
        '{"id":"","attempt":1}',
        '{"id":"t"}',
        '{"id":"t","attempt":0}',
        '{"id":"t","attempt":true}',
        '{"id":"t","attempt":1.5}',
        '{"id":"t","attempt":"1"}',
        f'{{"id":"t","attempt":{"9" * 400}}}',
        f'{{"id":"t","attempt":{"9" * 5_000}}}',
        '{"id":"t","attempt":1e400}',
        '{"id":"t","attempt":1,"replay":-1}',
        '{"id":"t","attempt":1,"crashes":null}',
        f'{{"id":"t","attempt":1,"notBefore":{"9" * 15}}}',
        '{"id":"t","attempt":1,"notBefore":-1}',
        f'{{"id":"{"x" * 201}","attempt":1}}',
        '{"id":"\\ud800","attempt":1}',
        '{"list":"l","group":0}',
        '{"list":"l","group":"0","failedBefore":false}',
        '{"list":["l"],"group":0,"failedBefore":false}',
        '{"cancel":{}}',
        '{"cache":"k","isList":1,"namespace":"","scope":"","attempt":1}',
        '{"cache":"k","isList":true,"namespace":null,"scope":"","attempt":1}',
    ],
)
def test_a_text_that_is_no_message_is_set_aside_and_logged_once_with_its_id(
    world: World, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    recorder = Recorder()
    assert world.run(event(message("fine"), text, receives=[1, 4]), recorder) == []
    assert recorder.handled == [TaskMessage(task_id="fine", attempt=1)]
    [(kept, message_id, reason)] = world.unreadable.kept
    assert (kept, message_id) == (text, "m1")
    [logged] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (getattr(logged, "message_id", None), logged.getMessage()) == ("m1", reason)


def test_a_text_that_cannot_be_set_aside_comes_again(world: World) -> None:
    world.unreadable.faults.before = 1
    assert world.run(event("hello", message("fine")), done) == ["m0"]


@pytest.mark.parametrize("crashes", [0, 3])
@pytest.mark.parametrize(
    "written",
    [
        TaskMessage(task_id="t", attempt=1),
        TaskMessage(task_id="l.0.0", attempt=1_000, not_before=NOW, replay=3),
        GroupStart(list_id="l", group=999, failed_before=True, replay=2),
        ListCancel(list_id="l", replay=1),
        ListCancel(list_id="l", replay=1, by="Ada é"),
        GroupStart(list_id="l", replay=2, by="Ada é"),
        CacheWrite(key="k", is_list=True, namespace="é", scope="\U0001f600", attempt=3_600, not_before=NOW),
    ],
)
def test_what_this_service_writes_it_reads(written: QueueMessage, crashes: int) -> None:
    assert from_text(to_text(replace(written, crashes=crashes))) == replace(written, crashes=crashes)
