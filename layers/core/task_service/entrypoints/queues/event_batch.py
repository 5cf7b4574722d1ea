"""Batches of events: taken side by side, reported one by one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, TypeVar

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import Unavailable
from task_service.usecases.handle_event import EventHandler, EventHandling, Taken

T = TypeVar("T")

log: Final = logging.getLogger("task")

BATCH_SIZE: Final = 10
"""The event source's; every event of a batch starts at once."""

_METRICS: Final = {
    Taken.CREATED: ("EventsTaken", "Created"),
    Taken.REPEATED: ("EventsRepeated",),
    Taken.UNMATCHED: ("EventsUnmatched",),
    Taken.MALFORMED: ("EventsMalformed",),
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
            return self._attempt("take", _about(record), lambda: events.take(record["body"]))

        # One event needs no thread.
        intakes = [one(records[0])] if len(records) == 1 else list(self._threads.map(one, records))
        taken = [intake for intake in intakes if intake is not None]
        sent = self._attempt("send", {"events": len(taken)}, lambda: events.send(taken))
        again: list[str] = []
        for record, intake in zip(records, intakes, strict=True):
            if intake is None or (intake.message is not None and sent is None):
                again.append(record["messageId"])
            else:
                self._report(record, intake)
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

    def _report(self, record: dict[str, Any], intake: EventHandling) -> None:
        for name in _METRICS[intake.taken]:
            self._metrics.add_metric(name, MetricUnit.Count, 1)
        is_ours = intake.task_name is not None and intake.reason is not None
        log.log(
            # Events of other kinds are nobody's fault; an event task without its template is somebody's.
            logging.WARNING if intake.taken is Taken.MALFORMED or is_ours else logging.INFO,
            f"event {intake.taken}",
            extra={"action": "take_event", **_about(record), **_outcome(intake)},
        )


def _about(record: dict[str, Any]) -> dict[str, Any]:
    return {"message_id": record["messageId"], "receives": record["attributes"]["ApproximateReceiveCount"]}


def _outcome(intake: EventHandling) -> dict[str, Any]:
    """What may be logged of it: ids, shortened where strangers chose them, and the reason."""
    task_id = intake.message.task_id if intake.message else None
    outcome = {"task_id": task_id, "task": intake.task_name, "reason": intake.reason}
    if intake.event is not None:
        outcome |= {"event_id": intake.event.id[:200], "event_source": intake.event.source[:200]}
    return {name: value for name, value in outcome.items() if value is not None}
