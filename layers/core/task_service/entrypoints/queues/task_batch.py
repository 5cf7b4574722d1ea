"""Batches of queue messages: handled side by side, reported one by one.

A message that may have crashed its executor is handled alone (`domain.isolation`), a text that is no message goes to a
queue of its own.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import Unavailable
from task_service.domain.isolation import isolate
from task_service.domain.messages import CacheWrite, GroupStart, ListCancel, QueueMessage, Received, from_text
from task_service.domain.notice import Notice
from task_service.domain.outcome import Attempt, Handled, Interrupted, Outcome, Step
from task_service.domain.retry import Done
from task_service.domain.trace import work_in
from task_service.ports import Clock, TaskQueue, UnreadableMessages

log: Final = logging.getLogger("task")

BATCH_SIZE: Final = 10
"""The event source's; every message of a batch starts at once."""


class Handler(Protocol):
    """Takes the step that a message asks for."""

    def __call__(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Raises Unavailable where the step has to be repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queues:
    """The queues that a batch needs beside the one that it comes from."""

    tasks: TaskQueue
    unreadable: UnreadableMessages


class Batch:
    """Runs batches in threads, so that a slow target holds up no other task."""

    def __init__(self, metrics: Metrics, *, isolates: bool) -> None:
        """A batch that `isolates` handles a message alone that may have crashed its executor."""
        self._metrics = metrics
        self._isolates = isolates

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(BATCH_SIZE, thread_name_prefix="task")

    def run(self, event: dict[str, Any], context: Any, handle: Handler, queues: Queues, clock: Clock) -> dict[str, Any]:
        """Handle the records of an SQS event; the response names the messages that have to come again.

        See https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html for its form.
        """
        deadline = clock() + timedelta(milliseconds=context.get_remaining_time_in_millis())
        received, again = self._read(event.get("Records", []), queues.unreadable)
        now, back = isolate(received) if self._isolates else (received, ())
        if not _give_back(back, queues.tasks):
            # Nothing runs beside a suspect.
            return _failures([*again, *(one.id for one in received)])

        def step(one: Received) -> Step | None:
            return self._step(one, deadline, handle)

        # One message needs no thread.
        steps = [step(now[0])] if len(now) == 1 else list(self._threads.map(step, now))
        for done in filter(None, steps):
            self._measure(done)
        again += [one.id for one, done in zip(now, steps, strict=True) if done is None or done.handled is Handled.KEEP]
        return _failures(again)

    def _read(
        self, records: Sequence[dict[str, Any]], unreadable: UnreadableMessages
    ) -> tuple[list[Received], list[str]]:
        """The messages in the records, and the ids of those that are none and could not be set aside."""
        received: list[Received] = []
        again: list[str] = []
        for record in records:
            try:
                received.append(self._received(record))
            except ValueError as reason:
                if not _set_aside(record, str(reason), unreadable):
                    again.append(record["messageId"])
        return received, again

    def _received(self, record: dict[str, Any]) -> Received:
        """The message in a record. Raises ValueError."""
        message, receives = from_text(record["body"]), int(record["attributes"]["ApproximateReceiveCount"])
        if self._isolates:
            message = replace(message, crashes=message.crashes + receives - 1)
        return Received(message=message, id=record["messageId"], receipt=record["receiptHandle"], receives=receives)

    def _step(self, one: Received, deadline: datetime, handle: Handler) -> Step | None:
        """The step that was taken, None where it has to be taken again."""
        # This thread has handled other messages before.
        work_in(None)
        about = {"message_id": one.id, "receives": one.receives, **_about(one.message)}
        if one.message.crashes:
            about["crashes"] = one.message.crashes
        try:
            step = handle(one.message, receipt=one.receipt, deadline=deadline)
        except Interrupted as error:
            log.warning(str(error), extra={"action": "keep", **about})
            step = replace(error.step, handled=Handled.KEEP)
            if not step.attempts and not step.notices and step.outcome is not Outcome.FAILED:
                return None
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
        for notice in step.notices:
            _log_notice(notice)
        return step

    def _measure(self, step: Step) -> None:
        add: Callable[..., None] = self._metrics.add_metric
        if step.outcome is Outcome.FAILED and not step.attempts:
            # A dead letter's task.
            add("Failed", MetricUnit.Count, 1)
        for notice in step.notices:
            if notice.missed is not None:
                add("NoticesMissed", MetricUnit.Count, 1)
            elif notice.is_new:
                add("Created", MetricUnit.Count, 1)
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


def _failures(message_ids: Sequence[str]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


def _give_back(received: Sequence[Received], queue: TaskQueue) -> bool:
    """Give messages back to the queue. False: they are still there as they were, or twice."""
    if not received:
        return True
    about = {"action": "give back", "message_ids": [one.id for one in received]}
    try:
        queue.give_back(received)
    except Unavailable as error:
        log.warning(str(error), extra=about)
        return False
    log.info("given back", extra=about)
    return True


def _set_aside(record: dict[str, Any], reason: str, unreadable: UnreadableMessages) -> bool:
    """Put a text that is no message into the queue of such texts. False: the queue did not take it."""
    about = {"action": "set aside", "message_id": record["messageId"]}
    try:
        unreadable.keep(record["body"], message_id=record["messageId"], reason=reason)
    except Unavailable as error:
        log.warning(str(error), extra=about)
        return False
    log.error(reason, extra=about)
    return True


def _log_notice(notice: Notice) -> None:
    about = {"action": "notify", "task_id": notice.task_id, "task": notice.name}
    if notice.missed is not None:
        log.error("no notice of a failed task", extra={**about, "reason": notice.missed})
    elif notice.is_new:
        log.info("notice created", extra={**about, "notice_id": notice.notice_id})


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
