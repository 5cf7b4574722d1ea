"""Descriptions of the operations that search for tasks and lists."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from task_service.domain.task import State
from task_service.entrypoints.api.parameters import search_request
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import PAGING, TASK_LISTS, TASKS, in_query
from task_service.entrypoints.docs.examples import a_request, raised_by
from task_service.entrypoints.docs.operation import Operation, Shape, Success, Tag
from task_service.entrypoints.docs.tasks import LIST_ITEM, TASK_FAILED

_FILTERS: Final = (
    in_query("name", "Only those of this template.", minLength=1),
    in_query("state", "Only those in this state, which answers show as `status`.", enum=list(State)),
    in_query("since", "Only those created at this time or later.", format="date-time"),
    in_query("until", "Only those created before this time.", format="date-time"),
)
_ERRORS: Final = (
    *(
        raised_by(partial(search_request, a_request(query=query)))
        for query in (
            {"status": "failed"},
            {"state": "running"},
            {"since": "today"},
            {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
            {"limit": "0"},
            {"next": "2"},
        )
    ),
)


def operations() -> Iterable[Operation]:
    """Search for tasks, and for lists."""
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
            "Answers with the newest first, page by page. A page can be short, or empty, and have a next one all the "
            "same. Tasks of lists are not found on their own."
        ),
        parameters=(*_FILTERS, *PAGING),
        answers={200: Success(description="A page.", shape=page, example={"items": [item], "next": None})},
        errors=_ERRORS,
    )
