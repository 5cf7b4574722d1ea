"""Batches: side by side, reported one by one."""

import json
import threading
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from task_service.domain.call import Answered
from task_service.domain.errors import Unavailable
from task_service.domain.messages import QueueMessage, TaskMessage
from task_service.domain.outcome import Attempt, Handled, Outcome, Step
from task_service.domain.retry import Decision, Done, Failed, Retry, decide
from task_service.domain.template import RetryPolicy
from task_service.entrypoints.queues.task_batch import Batch
from tests.support.builders import NOW, task

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def event(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for number, body in enumerate(bodies)
        ]
    }


def message(task_id: str) -> str:
    return json.dumps({"id": task_id, "attempt": 1})


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(namespace="Test", service="task")
    metrics.clear_metrics()
    return metrics


def failures(response: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


def test_only_the_messages_that_have_to_come_again_are_reported(metrics: Metrics) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        assert isinstance(message, TaskMessage)
        if message.task_id == "down":
            raise Unavailable
        if message.task_id == "broken":
            raise RuntimeError("a bug")
        handled = Handled.KEEP if message.task_id == "leased" else Handled.DELETE
        return Step(handled=handled, outcome=Outcome.FINISHED)

    bodies = [message(task_id) for task_id in ("fine", "down", "broken", "leased", "fine")]
    response = Batch(metrics).run(event(*bodies, "not ours", '{"id":1}', "[]"), CONTEXT, handle)
    assert failures(response) == ["m1", "m2", "m3", "m5", "m6", "m7"]


def test_an_empty_batch_is_fine(metrics: Metrics) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        raise AssertionError("nothing to handle")

    assert Batch(metrics).run({"Records": []}, CONTEXT, handle) == {"batchItemFailures": []}


def test_the_messages_of_a_batch_run_side_by_side(metrics: Metrics) -> None:
    together = threading.Barrier(10, timeout=5)

    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        together.wait()
        return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)

    response = Batch(metrics).run(event(*[message(str(n)) for n in range(10)]), CONTEXT, handle)
    assert failures(response) == []


def test_what_was_done_is_measured(metrics: Metrics) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        assert isinstance(message, TaskMessage)
        outcome = Outcome(message.task_id)
        decision: Done | Retry = Done(result="1")
        if outcome is Outcome.RETRIED:
            decision = Retry(delay=timedelta(), error="busy")
        run = Attempt(outcome=outcome, task=task(attempt=2), decision=decision, ended_at=NOW.replace(second=1))
        return Step(handled=Handled.DELETE, outcome=outcome, attempts=(run,))

    Batch(metrics).run(event(*[message(name) for name in ("done", "failed", "retried", "lost")]), CONTEXT, handle)
    measured = {name: values["Value"] for name, values in metrics.metric_set.items()}
    assert measured == {
        "Done": [1.0],
        "Failed": [1.0],
        "Retried": [1.0],
        "CreateToDone": [1000.0, 1000.0],
        "Attempts": [2.0, 2.0],
    }


def test_how_long_a_replay_comes_after_the_creation_is_not_measured(metrics: Metrics) -> None:
    def handle(message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        replayed = task(attempt=1, replay=1)
        run = Attempt(outcome=Outcome.DONE, task=replayed, decision=Done(result="1"), ended_at=NOW.replace(year=2027))
        return Step(handled=Handled.DELETE, outcome=Outcome.DONE, attempts=(run,))

    Batch(metrics).run(event(message("t")), CONTEXT, handle)
    assert {name: values["Value"] for name, values in metrics.metric_set.items()} == {
        "Done": [1.0],
        "Attempts": [1.0],
    }


def test_redirects_are_logged_where_there_were_any(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
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
        Batch(metrics).run(event(message("t")), CONTEXT, handle)
    told = [(vars(record).get("redirects"), vars(record).get("final_origin")) for record in caplog.records]
    assert told == [(1, "https://login.example"), (2, "http://other.example:81"), (None, None)]


def test_what_a_target_says_is_not_logged(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
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
    Batch(metrics).run(event(message("t")), CONTEXT, handle)
    reasons = [getattr(record, "reason", None) for record in caplog.records]
    assert reasons == ["the target answered 422"]
