"""Logs and metrics of a function."""

import json
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

# ASCII: characters at which some readers of a log begin a line (U+2028, U+0085) come from clients, in ids.
logger = Logger(json_serializer=partial(json.dumps, default=str))
metrics = Metrics()


def observed(handler: Handler) -> Handler:
    """A Lambda handler whose log lines carry the request's id, and whose metrics are written when it returns."""

    @wraps(handler)
    def observed_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        logger.append_keys(request_id=context.aws_request_id)
        try:
            return handler(event, context)
        finally:
            # Powertools warns of an invocation without metrics, which is nothing unusual here.
            if metrics.metric_set:
                metrics.flush_metrics()

    return observed_handler
