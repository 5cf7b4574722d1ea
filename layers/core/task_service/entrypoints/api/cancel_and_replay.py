"""The routes that cancel and replay."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from task_service.domain.errors import NotFound
from task_service.domain.paging import PageRequest, decode_sort_key, encode_cursor
from task_service.domain.search import ListSummary
from task_service.domain.task import Task
from task_service.domain.task_list import TaskList
from task_service.entrypoints.api.parameters import search_filter
from task_service.entrypoints.api.problem import problem
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from task_service.entrypoints.api.status import list_summary, task_item, task_status
from task_service.usecases.replay_many import Replays

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services

T = TypeVar("T", Task, ListSummary)

_AUDIT: Final = {
    "Cancelled": "cancelled",
    "ListsCancelled": "cancelled",
    "Replayed": "replayed",
    "ListsReplayed": "replayed",
}
"""What the audit line says, by the metric that counts it."""


def cancel_task(request: Request, services: "Services") -> Response:
    """Cancel a task; with the id of a list, the list."""
    task_id = request.segment("taskID")
    try:
        return _task("Cancelled", services.canceller.task(task_id, by=request.caller_name))
    except NotFound as no_task:
        try:
            return _list("ListsCancelled", services.canceller.task_list(task_id, by=request.caller_name))
        except NotFound:
            raise no_task from None


def cancel_task_list(request: Request, services: "Services") -> Response:
    """Cancel a list."""
    task_list = services.canceller.task_list(request.segment("taskListID"), by=request.caller_name)
    return _list("ListsCancelled", task_list)


def replay_task(request: Request, services: "Services") -> Response:
    """Start a failed task again."""
    return _task("Replayed", services.replayer.task(request.segment("taskID"), by=request.caller_name))


def replay_task_list(request: Request, services: "Services") -> Response:
    """Start a failed list again, from its failed tasks."""
    task_list = services.replayer.task_list(request.segment("taskListID"), by=request.caller_name)
    return _list("ListsReplayed", task_list)


def replay_many(request: Request, services: "Services") -> Response:
    """Replay a page of the failed tasks or lists that match a filter."""
    from task_service.schemas.replay import read_replays

    asked = read_replays(request.payload())
    wanted = search_filter(name=asked.name, since=asked.since, until=asked.until)
    collection = f"{request.resource}/{asked.resource}"
    after = None if asked.next is None else decode_sort_key(collection, asked.next)
    page, replayer, by = PageRequest(limit=asked.limit, after=after), services.bulk_replayer, request.caller_name
    if asked.resource == "taskLists":
        return _page(collection, "ListsReplayed", replayer.lists(wanted, page, by=by), list_summary)
    return _page(collection, "Replayed", replayer.tasks(wanted, page, by=by), task_item)


def _task(metric: str, task: Task) -> Response:
    about = {"task_id": task.id, "task": task.name}
    return Response.json(task_status(task)).adding(log_fields=about, counts={metric: 1}, audit=_AUDIT[metric])


def _list(metric: str, task_list: TaskList) -> Response:
    summary = list_summary(ListSummary.of(task_list, has_started=True))
    about = {"list_id": task_list.id, "list": task_list.name}
    return Response.json(summary).adding(log_fields=about, counts={metric: 1}, audit=_AUDIT[metric])


def _page(collection: str, metric: str, replays: Replays[T], shown: Callable[[T], dict[str, Any]]) -> Response:
    body = {
        "items": [shown(item) for item in replays.items],
        "skipped": [{"id": skipped.id, "reason": skipped.reason} for skipped in replays.skipped],
        "next": None if replays.next is None else encode_cursor(collection, replays.next),
    }
    # The client repeats a request that has failed half-way; what it has started until then is told of here.
    response = Response.json(body) if replays.failure is None else problem(replays.failure)
    return response.adding(
        log_fields={
            "replayed": len(replays.items),
            "skipped": len(replays.skipped),
            "ids": [item.id for item in replays.items],
        },
        counts={metric: len(replays.items)},
        audit=_AUDIT[metric] if replays.items else None,
    )
