"""Tasks and task lists as the API shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from task_service.domain import rfc3339
from task_service.domain.task import State, Task

if TYPE_CHECKING:
    from task_service.domain.search import ListSummary

HTTP_STATUS: Final[dict[State, int]] = {
    State.DONE: 200,
    State.CREATED: 201,
    State.PENDING: 202,
    State.FAILED: 207,
    State.CANCELLED: 207,
}
"""The HTTP status of a response about a task or list in this state."""


def task_status(task: Task) -> dict[str, Any]:
    """The body of `taskStatus`; members that do not apply yet are null, or left out (notBefore, redirects)."""
    waits = {"notBefore": _timestamp(task.not_before)} if task.state is State.CREATED and task.not_before else {}
    redirected = {"redirects": task.redirects, "finalOrigin": task.final_origin} if task.redirects else {}
    return {
        "id": task.id,
        "name": task.name,
        "status": task.shown_state.value,
        "attempts": task.attempts,
        "responseCode": task.response_code,
        "createdAt": _timestamp(task.created_at),
        "startedAt": _timestamp(task.started_at),
        "finishedAt": _timestamp(task.finished_at),
        "error": task.error,
        **waits,
        **redirected,
    }


def list_summary(task_list: "ListSummary") -> dict[str, Any]:
    """A task list without its groups, as pages show it."""
    return {
        "id": task_list.id,
        "name": task_list.name,
        "status": task_list.state.value,
        "createdAt": _timestamp(task_list.created_at),
        "finishedAt": _timestamp(task_list.finished_at),
    }


def _timestamp(moment: datetime | None) -> str | None:
    return rfc3339.to_text(moment) if moment else None
