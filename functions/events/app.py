"""The events function: makes tasks of what happens in the cache."""

from typing import Any

from task_service.entrypoints.queues.event_batch import EventBatch
from task_service.entrypoints.telemetry import metrics, observed
from task_service.wiring.services import services

batch = EventBatch(metrics)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take a batch of events; names those that have to come again."""
    return batch.run(event, services().event_handler)
