"""The routes that create and read tasks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from task_service.domain.errors import TaskFailed
from task_service.domain.task import Task
from task_service.entrypoints.api.create import create
from task_service.entrypoints.api.problem import problem, response_or_problem
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from task_service.entrypoints.api.status import HTTP_STATUS, task_status
from task_service.entrypoints.api.wait import Wait, in_time

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services


def create_task(request: Request, services: "Services") -> Response:
    """Create a task; answer with its id, or with its result if the client waits and the task ends in time."""
    name, wait = request.segment("taskName"), Wait.of(request, services)
    task_id, is_new = create(request, services, services.task_creator, "task", name)
    response = Response.json({"taskID": task_id})
    if wait is not None:
        response = in_time(lambda: _result(wait, task_id), task_id) or response
        response = response.adding(headers={**wait.headers, "x-task-id": task_id})
    response = response.adding(log_fields={"task_id": task_id, "task": name})
    return response.adding(counts={"Created": 1}, audit="created") if is_new else response


def read_task_result(request: Request, services: "Services") -> Response:
    """Answer with the result of a task."""
    return _read(request, services, lambda task: Response.json(services.task_reader.result_of(task)))


def read_task_status(request: Request, services: "Services") -> Response:
    """Answer with the status of a task."""
    return _read(request, services, _status)


def _result(wait: Wait, task_id: str) -> Response | None:
    """The response with the result of a new task, or about its failure; None if it has not ended in time."""
    task = wait.task(task_id)
    if not task.state.is_final:
        return None
    try:
        result = wait.waiter.tasks.result_of(task)
    except TaskFailed as failure:
        return problem(failure)
    return Response.json(result, headers={"Content-Location": f"../taskResult/{task_id}"})


def _read(request: Request, services: "Services", show: Callable[[Task], Response]) -> Response:
    """The response about a task, once it has ended if the client waits for that."""
    task_id = request.segment("taskID")

    def read() -> Response:
        wait = Wait.of(request, services)
        if wait is None:
            return show(services.task_reader.task(task_id))
        task = wait.task(task_id)
        return response_or_problem(lambda: show(task)).adding(headers=wait.headers)

    return response_or_problem(read).adding(log_fields={"task_id": task_id})


def _status(task: Task) -> Response:
    return Response.json(task_status(task), status=HTTP_STATUS[task.shown_state])
