"""The failures function: ends the tasks of dead letters."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics

from task_service.batch import Batch
from task_service.bootstrap import services

logger = Logger()
metrics = Metrics()
batch = Batch(metrics)


@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of dead letters; names those that have to come again."""
    logger.append_keys(request_id=context.aws_request_id)
    return batch.run(event, context, services().dead_letters.handle)
