"""The routes that cancel and replay."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import NotFound
from task_service.domain.search import ListSummary
from task_service.domain.task import State, Task
from task_service.domain.task_list import TaskList
from task_service.entrypoints.api import request
from task_service.entrypoints.api.status import list_summary, task_status
from task_service.usecases.edit_templates import to_cursor
from task_service.usecases.replay_many import Replays
from task_service.usecases.search import Question

if TYPE_CHECKING:
    from task_service.wiring.services import Services

T = TypeVar("T", Task, ListSummary)


class ActionHandlers:
    """The routes that cancel and replay tasks and task lists."""

    def __init__(
        self,
        services: "Callable[[], Services]",
        metrics: Metrics,
        event: Callable[[], dict[str, Any]],
        about: Callable[[], dict[str, Any]],
    ) -> None:
        self._services = services
        self._event = event
        self._metrics = metrics
        self._about = about
        """What the request's log line says; is added to."""

    def cancel_task(self, taskID: str) -> Response[str]:
        """POST: cancel a task; the id of a list cancels the list."""
        task_id, canceller = request.decoded(taskID), self._services().canceller
        try:
            return self._task("Cancelled", canceller.task(task_id))
        except NotFound as no_task:
            try:
                return self._list("ListsCancelled", canceller.task_list(task_id))
            except NotFound:
                raise no_task from None

    def cancel_list(self, taskListID: str) -> Response[str]:
        """POST: cancel a list."""
        return self._list("ListsCancelled", self._services().canceller.task_list(request.decoded(taskListID)))

    def replay_task(self, taskID: str) -> Response[str]:
        """POST: start a failed task again."""
        return self._task("Replayed", self._services().replayer.task(request.decoded(taskID)))

    def replay_list(self, taskListID: str) -> Response[str]:
        """POST: start a failed list again, from its failed tasks."""
        return self._list("ListsReplayed", self._services().replayer.task_list(request.decoded(taskListID)))

    def replay_many(self) -> Response[str]:
        """POST: start again what has failed and fits a filter, a page of it."""
        from task_service.schemas.replay import read

        wanted = read(request.payload(self._event()))
        question = Question.read(
            {
                "state": State.FAILED,
                "name": wanted.name,
                "since": wanted.since,
                "until": wanted.until,
                "limit": str(wanted.limit),
                "next": wanted.next,
            }
        )
        replayer = self._services().bulk_replayer
        if wanted.resource == "taskLists":
            return self._page("ListsReplayed", replayer.lists(question), list_summary)
        return self._page("Replayed", replayer.tasks(question), task_status)

    def _page(self, metric: str, replays: Replays[T], shown: Callable[[T], dict[str, Any]]) -> Response[str]:
        self._metrics.add_metric(metric, MetricUnit.Count, len(replays.items))
        self._about().update(replayed=len(replays.items), skipped=len(replays.skipped))
        return _json(
            {
                "items": [shown(item) for item in replays.items],
                "skipped": [{"id": skipped.id, "reason": skipped.reason} for skipped in replays.skipped],
                "next": None if replays.next is None else to_cursor(replays.next),
            }
        )

    def _task(self, metric: str, task: Task) -> Response[str]:
        self._metrics.add_metric(metric, MetricUnit.Count, 1)
        self._about().update(task_id=task.id, task=task.name)
        return _json(task_status(task))

    def _list(self, metric: str, task_list: TaskList) -> Response[str]:
        self._metrics.add_metric(metric, MetricUnit.Count, 1)
        self._about().update(list_id=task_list.id)
        return _json(list_summary(ListSummary.of(task_list, has_started=True)))


def _json(body: dict[str, Any]) -> Response[str]:
    return Response(status_code=200, content_type="application/json", body=json.dumps(body, ensure_ascii=False))
