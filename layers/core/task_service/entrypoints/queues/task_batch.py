"""Batches of queue messages: handled side by side, reported one by one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import Unavailable
from task_service.domain.messages import CacheWrite, GroupStart, ListCancel, QueueMessage, from_text
from task_service.domain.outcome import Attempt, Handled, Outcome, Step
from task_service.domain.retry import Done

log: Final = logging.getLogger("task")

BATCH_SIZE: Final = 10
"""The event source's; every message of a batch starts at once."""


class Handler(Protocol):
    """Takes the step that a message asks for."""

    def __call__(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Raises Unavailable where the step has to be repeated."""


class Batch:
    """Runs batches in threads, so that a slow target holds up no other task."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(BATCH_SIZE, thread_name_prefix="task")

    def run(self, event: dict[str, Any], context: Any, handle: Handler) -> dict[str, Any]:
        """Handle the records of an SQS event; the response names the messages that have to come again.

        See https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html for its form.
        """
        deadline = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
        records = event.get("Records", [])

        def step(record: dict[str, Any]) -> Step | None:
            return self._step(record, deadline, handle)

        # One message needs no thread.
        steps = [step(records[0])] if len(records) == 1 else list(self._threads.map(step, records))
        for done in filter(None, steps):
            self._measure(done)
        again = [
            record["messageId"]
            for record, done in zip(records, steps, strict=True)
            if done is None or done.handled is Handled.KEEP
        ]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    def _step(self, record: dict[str, Any], deadline: datetime, handle: Handler) -> Step | None:
        """The step that was taken, None where it has to be taken again."""
        about = {
            "message_id": record["messageId"],
            "receives": record["attributes"]["ApproximateReceiveCount"],
        }
        try:
            message = from_text(record["body"])
            about |= _about(message)
            step = handle(message, receipt=record["receiptHandle"], deadline=deadline)
        except Unavailable as error:
            log.warning(str(error), extra={"action": "keep", **about})
            return None
        except Exception:
            log.exception("message could not be handled", extra={"action": "keep", **about})
            return None
        for attempt in step.attempts:
            log.info(attempt.outcome, extra={"action": "run", **about, **_described(attempt)})
        if not step.attempts or step.outcome is not step.attempts[-1].outcome:
            log.info(step.outcome, extra={"action": "step", **about})
        return step

    def _measure(self, step: Step) -> None:
        add: Callable[..., None] = self._metrics.add_metric
        if step.outcome is Outcome.FAILED and not step.attempts:
            # A dead letter's task.
            add("Failed", MetricUnit.Count, 1)
        for attempt in step.attempts:
            if attempt.outcome is Outcome.RETRIED:
                add("Retried", MetricUnit.Count, 1)
            elif attempt.outcome in (Outcome.DONE, Outcome.FAILED):
                add("Done" if attempt.outcome is Outcome.DONE else "Failed", MetricUnit.Count, 1)
                if not attempt.task.replay:
                    # A replay may come days after the creation.
                    latency = attempt.ended_at - attempt.task.created_at
                    add("CreateToDone", MetricUnit.Milliseconds, latency.total_seconds() * 1000)
                add("Attempts", MetricUnit.Count, attempt.task.attempt)


def _about(message: QueueMessage) -> dict[str, Any]:
    if isinstance(message, GroupStart):
        return {"list_id": message.list_id, "group": message.group}
    if isinstance(message, ListCancel):
        return {"list_id": message.list_id}
    if isinstance(message, CacheWrite):
        return {"key": message.key, "attempt": message.attempt}
    return {"task_id": message.task_id, "attempt": message.attempt}


def _described(attempt: Attempt) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "task_id": attempt.task.id,
        "task": attempt.task.name,
        "attempt": attempt.task.attempt,
        "response_code": attempt.decision.response_code,
    }
    if attempt.decision.redirects:
        outcome |= {"redirects": attempt.decision.redirects, "final_origin": attempt.decision.final_origin}
    if isinstance(attempt.decision, Done):
        return outcome
    return outcome | {"reason": attempt.decision.logged or attempt.decision.error}
