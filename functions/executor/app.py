"""The executor: runs what the task queue asks for."""

from typing import Any

from task_service.batch import Batch
from task_service.bootstrap import services
from task_service.telemetry import metrics, observed

batch = Batch(metrics)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of messages; names those that have to come again."""
    return batch.run(event, context, services().execution.handle)
