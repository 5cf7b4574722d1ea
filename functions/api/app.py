"""The API: answers API Gateway."""

import gc

# Imports make many objects and no garbage: looking for it, then and later, is a tenth of the cold start.
gc.disable()

from typing import Any

from task_service.api.routes import Api
from task_service.bootstrap import services
from task_service.telemetry import metrics, observed

api = Api(services, metrics)

gc.freeze()
gc.enable()


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    return api.resolve(event, context)
