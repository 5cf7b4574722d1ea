"""The API: answers API Gateway."""

import gc

# Imports make many objects and no garbage: collecting it meanwhile is a twelfth of the cold start.
gc.disable()

from typing import Any

from aws_lambda_powertools import Logger, Metrics

from task_service.api.routes import Api
from task_service.bootstrap import services

logger = Logger()
metrics = Metrics()
api = Api(services, metrics)

gc.enable()


@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    logger.append_keys(request_id=context.aws_request_id)
    return api.resolve(event, context)
