"""Errors as API responses: the members of v1.1.0 and those of RFC 9457 in one JSON object."""

import json
import logging
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response

from task_service.domain.errors import TaskFailed, TaskServiceError

log: Final = logging.getLogger("task")


_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Names that have changed since (RFC 9110), which not every Python version knows."""


def response(error: Exception) -> Response[str]:
    """The response for an error; logs it under the id that the client is told."""
    known = error if isinstance(error, TaskServiceError) else TaskServiceError("internal error")
    error_id = str(uuid4())
    is_ours = known.status >= 500
    log.log(
        logging.ERROR if is_ours else logging.INFO,
        # Why a task failed may be told in the words of its target.
        known.__doc__ if isinstance(known, TaskFailed) else known.message,
        extra={"action": "refuse", "error_id": error_id, "status": known.status},
        exc_info=error if is_ours else None,
    )
    return Response(
        status_code=known.status,
        content_type="application/json",
        body=json.dumps(members(known, error_id), ensure_ascii=False),
        headers=dict(known.headers),
    )


def members(error: TaskServiceError, error_id: str) -> dict[str, Any]:
    """The body of the response for an error."""
    return {
        "id": error_id,
        "kind": error.kind,
        "message": error.message,
        "type": "about:blank",
        "title": title(error.status),
        "status": error.status,
        "detail": error.message,
    }


def title(status: int) -> str:
    """What an HTTP status is called."""
    return _TITLES.get(status) or HTTPStatus(status).phrase
