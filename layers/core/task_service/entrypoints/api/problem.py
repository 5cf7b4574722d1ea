"""Errors as responses: the members of v1.1.0 and those of RFC 9457 in one JSON object."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from task_service.domain.errors import InternalError, TaskServiceError
from task_service.entrypoints.api.response import Response

log: Final = logging.getLogger("task")


_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Names that RFC 9110 has changed, and older Python versions do not know."""


def response_or_problem(respond: Callable[[], Response]) -> Response:
    """The response that `respond` returns, or the one for the error that it raises."""
    try:
        return respond()
    except Exception as error:
        return problem(error)


def problem(error: Exception) -> Response:
    """The response for an error. The log line about it has the id that the client gets."""
    known = error if isinstance(error, TaskServiceError) else InternalError()
    error_id = str(uuid4())
    is_ours = known.status >= 500
    log.log(
        logging.ERROR if is_ours else logging.INFO,
        # The message may quote what the client has sent, or what a task's target has answered: neither is logged.
        known.message if is_ours else known.__doc__,
        extra={"action": "refuse", "error_id": error_id, "status": known.status},
        exc_info=error if is_ours else None,
    )
    return Response.json(members(known, error_id), status=known.status, headers=known.headers)


def members(error: TaskServiceError, error_id: str) -> dict[str, Any]:
    """The members of the body for an error."""
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
    """The name of an HTTP status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase
