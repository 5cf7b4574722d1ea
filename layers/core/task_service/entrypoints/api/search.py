"""The routes that search for tasks and task lists."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from task_service.domain.paging import encode_cursor
from task_service.domain.search import Found
from task_service.entrypoints.api.parameters import search_request
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from task_service.entrypoints.api.status import list_summary, task_item

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services


def search_tasks(request: Request, services: "Services") -> Response:
    """Answer with a page of tasks."""
    return _page(request, services.searcher.tasks(*search_request(request)), task_item)


def search_task_lists(request: Request, services: "Services") -> Response:
    """Answer with a page of task lists."""
    return _page(request, services.searcher.lists(*search_request(request)), list_summary)


def _page(request: Request, found: Found[Any], shown: Callable[[Any], Mapping[str, Any]]) -> Response:
    following = None if found.next is None else encode_cursor(request.resource, found.next)
    body = {"items": [shown(item) for item in found.items], "next": following}
    return Response.json(body)
