"""Batches of events: taken side by side, reported one by one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, TypeVar

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import Unavailable
from task_service.domain.trace import work_in
from task_service.usecases.handle_event import EventHandler, EventHandling, EventOutcome

T = TypeVar("T")

log: Final = logging.getLogger("task")

BATCH_SIZE: Final = 10
"""The event source's; every event of a batch starts at once."""

_METRICS: Final = {
    EventOutcome.CREATED: ("EventsTaken", "Created"),
    EventOutcome.REPEATED: ("EventsRepeated",),
    EventOutcome.UNMATCHED: ("EventsUnmatched",),
    EventOutcome.MALFORMED: ("EventsMalformed",),
}


class EventBatch:
    """Takes batches of events: their tasks are written in threads, because each waits for AWS, and sent together."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(BATCH_SIZE, thread_name_prefix="event")

    def run(self, event: dict[str, Any], events: EventHandler) -> dict[str, Any]:
        """Take the records of an SQS event; the response names the messages that have to come again.

        See https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html for its form.
        """
        records = event.get("Records", [])

        def one(record: dict[str, Any]) -> EventHandling | None:
            # This thread has handled other events before.
            work_in(None)
            return self._attempt("take", _about(record), lambda: events.handle(record["body"]))

        # One event needs no thread.
        handlings = [one(records[0])] if len(records) == 1 else list(self._threads.map(one, records))
        taken = [handling for handling in handlings if handling is not None]
        sent = self._attempt("send", {"events": len(taken)}, lambda: events.send(taken))
        again: list[str] = []
        for record, handling in zip(records, handlings, strict=True):
            if handling is None or (handling.message is not None and sent is None):
                again.append(record["messageId"])
            else:
                self._report(record, handling)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    def _attempt(self, action: str, about: dict[str, Any], work: Callable[[], T]) -> T | None:
        """The outcome of the work, None where it has to be done again."""
        try:
            return work()
        except Unavailable as error:
            log.warning(str(error), extra={"action": action, "events_kept": True, **about})
        except Exception:
            log.exception("event could not be taken", extra={"action": action, "events_kept": True, **about})
        return None

    def _report(self, record: dict[str, Any], handling: EventHandling) -> None:
        for name in _METRICS[handling.outcome]:
            self._metrics.add_metric(name, MetricUnit.Count, 1)
        is_ours = handling.task_name is not None and handling.reason is not None
        log.log(
            # Events of other kinds are usual; an event task without its template is an author's mistake.
            logging.WARNING if handling.outcome is EventOutcome.MALFORMED or is_ours else logging.INFO,
            f"event {handling.outcome}",
            extra={"action": "take_event", **_about(record), **_outcome(handling)},
        )


def _about(record: dict[str, Any]) -> dict[str, Any]:
    return {"message_id": record["messageId"], "receives": record["attributes"]["ApproximateReceiveCount"]}


def _outcome(handling: EventHandling) -> dict[str, Any]:
    """The fields to log: ids, shortened if a publisher chose them, and the reason."""
    task_id = handling.message.task_id if handling.message else None
    outcome = {"task_id": task_id, "task": handling.task_name, "reason": handling.reason}
    if handling.trace is not None:
        outcome["trace_id"] = handling.trace.id
    if handling.event is not None:
        outcome |= {"event_id": handling.event.id[:200], "event_source": handling.event.source[:200]}
    return {name: value for name, value in outcome.items() if value is not None}
