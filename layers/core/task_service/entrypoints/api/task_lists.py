"""The routes that create and read task lists."""

from typing import TYPE_CHECKING

from task_service.entrypoints.api.create import create
from task_service.entrypoints.api.problem import response_or_problem
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from task_service.entrypoints.api.status import HTTP_STATUS
from task_service.entrypoints.api.wait import Wait, in_time

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services
    from task_service.usecases.read_list import ListReader


def create_task_list(request: Request, services: "Services") -> Response:
    """Create a list; answer with its id, or with its status if the client waits and the list ends in time."""
    name, wait = request.segment("taskListName"), Wait.of(request, services)
    list_id, is_new = create(request, services, services.list_creator, "taskList", name)
    response = Response.json({"taskListID": list_id})
    if wait is not None:
        response = in_time(lambda: _ended(wait, list_id), list_id) or response
        response = response.adding(headers={**wait.headers, "x-task-list-id": list_id})
    response = response.adding(log_fields={"list_id": list_id, "list": name})
    return response.adding(counts={"ListsCreated": 1}, audit="created") if is_new else response


def read_task_list_status(request: Request, services: "Services") -> Response:
    """Answer with the status of a list, once it has ended if the client waits for that."""
    list_id = request.segment("taskListID")

    def read() -> Response:
        wait = Wait.of(request, services)
        if wait is None:
            return _status(services.list_reader, list_id)
        wait.task_list(list_id)
        return response_or_problem(lambda: _status(services.list_reader, list_id)).adding(headers=wait.headers)

    return response_or_problem(read).adding(log_fields={"list_id": list_id})


def _ended(wait: Wait, list_id: str) -> Response | None:
    """The response with the status of a new list; None if it has not ended in time."""
    if not wait.task_list(list_id).state.is_final:
        return None
    return _status(wait.waiter.lists, list_id).adding(headers={"Content-Location": f"../taskListStatus/{list_id}"})


def _status(lists: "ListReader", list_id: str) -> Response:
    overview = lists.overview(list_id)
    return Response.json(lists.status_text(overview), status=HTTP_STATUS[overview.state])
