"""Searching for tasks and lists, as it is described."""

from collections.abc import Iterable
from typing import Any, Final

from task_service.domain.errors import BadRequest
from task_service.domain.task import State
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import PAGING, TASK_LISTS, TASKS, UNAVAILABLE
from task_service.entrypoints.docs.operation import Operation, Parameter, Shape, Success, Tag
from task_service.entrypoints.docs.tasks import LIST_ITEM, TASK_FAILED


def _in_query(name: str, description: str, **schema: Any) -> Parameter:
    return Parameter(name=name, where="query", description=description, schema={"type": "string", **schema})


_FILTERS: Final = (
    _in_query("name", "Only those of this template.", minLength=1),
    _in_query("state", "Only those in this state, which is the `status` that they are shown with.", enum=list(State)),
    _in_query("since", "Only those created then or later.", format="date-time"),
    _in_query("until", "Only those created before.", format="date-time"),
)
_ERRORS: Final = (
    BadRequest(f"state: 'running' is none of {', '.join(State)}"),
    BadRequest("since: 'today' is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z"),
    BadRequest("since: it is after until"),
    BadRequest("limit: '0' is not a number from 1 to 100"),
    BadRequest("next: not a cursor that this service has given"),
    UNAVAILABLE,
)


def operations() -> Iterable[Operation]:
    """Searching for tasks, and for lists."""
    yield _search("/v1/tasks", "searchTasks", TASKS, "tasks", answers.TaskPage, TASK_FAILED)
    yield _search("/v1/taskLists", "searchTaskLists", TASK_LISTS, "task lists", answers.TaskListPage, LIST_ITEM)


def _search(path: str, operation_id: str, tag: Tag, noun: str, page: Shape, item: object) -> Operation:
    return Operation(
        method="GET",
        path=path,
        id=operation_id,
        tag=tag,
        summary=f"Search for {noun}",
        description=(
            "The newest first, page by page; a page can be short, or empty, where there is a next one. "
            "Tasks of lists are not listed on their own."
        ),
        parameters=(*_FILTERS, *PAGING),
        answers={200: Success(description="A page.", shape=page, example={"items": [item], "next": None})},
        errors=_ERRORS,
    )
