"""The routes that cancel and replay."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit

from task_service.api import request
from task_service.api.status import list_summary, task_status
from task_service.domain.errors import NotFound
from task_service.domain.task import State, Task
from task_service.domain.task_list import TaskList

if TYPE_CHECKING:
    from task_service.bootstrap import Services


class ActingHandlers:
    """The routes that cancel and replay tasks and task lists."""

    def __init__(
        self, services: "Callable[[], Services]", metrics: Metrics, about: Callable[[], dict[str, Any]]
    ) -> None:
        self._services = services
        self._metrics = metrics
        self._about = about
        """What the request's log line says; is added to."""

    def cancel_task(self, taskID: str) -> Response[str]:
        """POST: cancel a task; the id of a list cancels the list."""
        task_id, cancelling = request.decoded(taskID), self._services().cancelling
        try:
            return self._task("Cancelled", cancelling.task(task_id))
        except NotFound as no_task:
            try:
                return self._list("ListsCancelled", cancelling.task_list(task_id))
            except NotFound:
                raise no_task from None

    def cancel_list(self, taskListID: str) -> Response[str]:
        """POST: cancel a list."""
        return self._list("ListsCancelled", self._services().cancelling.task_list(request.decoded(taskListID)))

    def replay_task(self, taskID: str) -> Response[str]:
        """POST: start a failed task again."""
        return self._task("Replayed", self._services().replaying.task(request.decoded(taskID)))

    def replay_list(self, taskListID: str) -> Response[str]:
        """POST: start a failed list again, from its failed tasks."""
        return self._list("ListsReplayed", self._services().replaying.task_list(request.decoded(taskListID)))

    def _task(self, metric: str, task: Task) -> Response[str]:
        self._metrics.add_metric(metric, MetricUnit.Count, 1)
        self._about().update(task_id=task.id, task=task.name)
        return _json(task_status(task))

    def _list(self, metric: str, task_list: TaskList) -> Response[str]:
        self._metrics.add_metric(metric, MetricUnit.Count, 1)
        self._about().update(list_id=task_list.id)
        if task_list.state is State.CREATED:
            # What is replayed has been under way before.
            task_list = replace(task_list, state=State.PENDING)
        return _json(list_summary(task_list))


def _json(body: dict[str, Any]) -> Response[str]:
    return Response(status_code=200, content_type="application/json", body=json.dumps(body, ensure_ascii=False))
