"""The failures function: ends the tasks of dead letters."""

from typing import Any

from task_service.entrypoints.queues.task_batch import Batch
from task_service.entrypoints.telemetry import metrics, observed
from task_service.wiring.services import services

batch = Batch(metrics, isolates=False)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of dead letters; names those that have to come again."""
    return batch.run(event, context, services().dead_letter_handler.handle, services().batch_queues, services().clock)
