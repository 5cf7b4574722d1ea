"""The events function: makes tasks of what happens in the cache."""

from typing import Any

from task_service.bootstrap import services
from task_service.event_batch import EventBatch
from task_service.telemetry import metrics, observed

batch = EventBatch(metrics)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take a batch of events; names those that have to come again."""
    return batch.run(event, services().event_intake)
