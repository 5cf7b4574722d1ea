"""Errors as examples: each is the one that the code raises, so that the document says what a client is told."""

from collections.abc import Callable, Mapping

from task_service.domain.errors import TaskServiceError
from task_service.entrypoints.api.request import Request


def raised_by(check: Callable[[], object]) -> TaskServiceError:
    """The error that a check raises."""
    try:
        check()
    except TaskServiceError as error:
        # Without the frames of the check, which hold its arguments.
        return error.with_traceback(None)
    raise AssertionError("the check refuses nothing, so that it is no example of an error")


def a_request(
    *,
    segments: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request with these parts, for a check to refuse."""
    values = {name: [value] for name, value in (query or {}).items()}
    event = {
        "httpMethod": "GET",
        "pathParameters": segments,
        "multiValueQueryStringParameters": values,
        "headers": headers,
    }
    return Request.from_event(event, None)
