"""A task's state as the API shows it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from task_service.domain.task import State, Task

if TYPE_CHECKING:
    from task_service.domain.task_list import TaskList

HTTP_STATUS: Final[dict[State, int]] = {
    State.DONE: 200,
    State.CREATED: 201,
    State.PENDING: 202,
    State.FAILED: 207,
    State.CANCELLED: 207,
}
"""The HTTP status that a state is answered with."""


def task_status(task: Task) -> dict[str, Any]:
    """The body of `taskStatus`; members that do not apply yet are null."""
    return {
        "id": task.id,
        "name": task.name,
        "status": task.shown_state.value,
        # One that waits has not been made yet.
        "attempts": task.attempt - (task.state is State.CREATED),
        "responseCode": task.response_code,
        "createdAt": _timestamp(task.created_at),
        "startedAt": _timestamp(task.started_at),
        "finishedAt": _timestamp(task.finished_at),
        "error": task.error,
    }


def list_summary(task_list: "TaskList") -> dict[str, Any]:
    """A list's own state, as answers show it that do not show its groups."""
    return {
        "id": task_list.id,
        "status": task_list.state.value,
        "createdAt": _timestamp(task_list.created_at),
        "finishedAt": _timestamp(task_list.finished_at),
    }


def _timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
