"""Batches of events: taken side by side, reported one by one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import Unavailable
from task_service.usecases.take_event import Intake, Taken

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
    """Takes batches of events in threads: each is two requests that wait for AWS."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(BATCH_SIZE, thread_name_prefix="event")

    def run(self, event: dict[str, Any], take: Callable[[str], Intake]) -> dict[str, Any]:
        """Take the records of an SQS event; the response names the messages that have to come again.

        See https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html for its form.
        """
        records = event.get("Records", [])

        def one(record: dict[str, Any]) -> Intake | None:
            return self._take(record, take)

        # One event needs no thread.
        intakes = [one(records[0])] if len(records) == 1 else list(self._threads.map(one, records))
        for intake in filter(None, intakes):
            for name in _METRICS[intake.taken]:
                self._metrics.add_metric(name, MetricUnit.Count, 1)
        again = [record["messageId"] for record, intake in zip(records, intakes, strict=True) if intake is None]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    def _take(self, record: dict[str, Any], take: Callable[[str], Intake]) -> Intake | None:
        """What became of an event, None where it has to come again."""
        about = {"message_id": record["messageId"], "receives": record["attributes"]["ApproximateReceiveCount"]}
        try:
            intake = take(record["body"])
        except Unavailable as error:
            log.warning(str(error), extra={"action": "keep", **about})
            return None
        except Exception:
            log.exception("event could not be taken", extra={"action": "keep", **about})
            return None
        is_ours = intake.task_name is not None and intake.reason is not None
        log.log(
            # Events of other kinds are nobody's fault; an event task without its template is somebody's.
            logging.WARNING if intake.taken is Taken.MALFORMED or is_ours else logging.INFO,
            f"event {intake.taken}",
            extra={"action": "take_event", **about, **_outcome(intake)},
        )
        return intake


def _outcome(intake: Intake) -> dict[str, Any]:
    """What may be logged of it: ids, shortened where strangers chose them, and the reason."""
    outcome = {"task_id": intake.task_id, "task": intake.task_name, "reason": intake.reason}
    if intake.event is not None:
        outcome |= {"event_id": intake.event.id[:200], "event_source": intake.event.source[:200]}
    return {name: value for name, value in outcome.items() if value is not None}
