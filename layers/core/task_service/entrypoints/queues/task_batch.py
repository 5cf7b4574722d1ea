"""Batches of queue messages: handled side by side, reported one by one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.adapters.aws.sqs import from_text
from task_service.domain.errors import Unavailable
from task_service.domain.task import CacheWrite, Done, GroupStart, ListCancel, QueueMessage
from task_service.usecases.run_task import Event, Handled, Run, Step
from task_service.wiring.services import utc_now

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
        deadline = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
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
        for run in step.runs:
            log.info(run.event, extra={"action": "run", **about, **_outcome(run)})
        if not step.runs or step.event is not step.runs[-1].event:
            log.info(step.event, extra={"action": "step", **about})
        return step

    def _measure(self, step: Step) -> None:
        add: Callable[..., None] = self._metrics.add_metric
        if step.event is Event.FAILED and not step.runs:
            # A dead letter's task.
            add("Failed", MetricUnit.Count, 1)
        for run in step.runs:
            if run.event is Event.RETRIED:
                add("Retried", MetricUnit.Count, 1)
            elif run.event in (Event.DONE, Event.FAILED):
                add("Done" if run.event is Event.DONE else "Failed", MetricUnit.Count, 1)
                if not run.task.replay:
                    # A replay may come days after the creation.
                    latency = run.ended_at - run.task.created_at
                    add("CreateToDone", MetricUnit.Milliseconds, latency.total_seconds() * 1000)
                add("Attempts", MetricUnit.Count, run.task.attempt)


def _about(message: QueueMessage) -> dict[str, Any]:
    if isinstance(message, GroupStart):
        return {"list_id": message.list_id, "group": message.group}
    if isinstance(message, ListCancel):
        return {"list_id": message.list_id}
    if isinstance(message, CacheWrite):
        return {"key": message.key, "attempt": message.attempt}
    return {"task_id": message.task_id, "attempt": message.attempt}


def _outcome(run: Run) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "task_id": run.task.id,
        "task": run.task.name,
        "attempt": run.task.attempt,
        "response_code": run.decision.response_code,
    }
    if isinstance(run.decision, Done):
        return outcome
    return outcome | {"reason": run.decision.logged or run.decision.error}
