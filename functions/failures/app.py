"""The failures function: ends the tasks of dead letters."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from task_service.batch import Batch
from task_service.bootstrap import services
from task_service.domain.task import Message
from task_service.usecases.execute_task import Step

logger = Logger()
metrics = Metrics()
batch = Batch(metrics)


@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of dead letters; names those that have to come again."""
    logger.append_keys(request_id=context.aws_request_id)

    def handle(message: Message, *, receipt: str, deadline: datetime) -> Step:
        return services().abandoned.handle(message)

    return batch.run(event, context, handle)
