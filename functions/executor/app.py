"""The executor: runs what the task queue asks for."""

import gc

# As in the api function: imports make many objects and no garbage.
gc.disable()

from typing import Any

from task_service.entrypoints.queues.task_batch import Batch
from task_service.entrypoints.telemetry import metrics, observed
from task_service.wiring.services import services

batch = Batch(metrics, isolates=True)

gc.freeze()
gc.enable()


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of messages; names those that have to come again."""
    return batch.run(event, context, services().message_handler.handle, services().batch_queues, services().clock)
