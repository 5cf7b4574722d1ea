"""Tasks and task lists as the API shows them."""

from typing import TYPE_CHECKING, Any, Final

from task_service.domain.status import about, timestamp
from task_service.domain.task import State, Task

if TYPE_CHECKING:
    from task_service.domain.history import PastAttempt
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
    """The body of `taskStatus`: the task, and its attempts that have ended."""
    return {**task_item(task), "history": [_past_attempt(past) for past in task.history]}


def task_item(task: Task) -> dict[str, Any]:
    """A task, as pages show it; members that do not apply yet are null, or left out (notBefore, redirects)."""
    waits = {"notBefore": timestamp(task.not_before)} if task.state is State.CREATED and task.not_before else {}
    redirected = {"redirects": task.redirects, "finalOrigin": task.final_origin} if task.redirects else {}
    return {
        "id": task.id,
        "name": task.name,
        "status": task.shown_state.value,
        "attempts": task.attempts,
        "responseCode": task.response_code,
        "createdAt": timestamp(task.created_at),
        "startedAt": timestamp(task.started_at),
        "finishedAt": timestamp(task.finished_at),
        "error": task.error,
        **waits,
        **redirected,
        **about(task),
    }


def _past_attempt(past: "PastAttempt") -> dict[str, Any]:
    return {
        "attempt": past.attempt,
        "startedAt": timestamp(past.started_at),
        "finishedAt": timestamp(past.finished_at),
        "responseCode": past.response_code,
        "error": past.error,
    }


def list_summary(task_list: "ListSummary") -> dict[str, Any]:
    """A task list without its groups, as pages show it."""
    return {
        "id": task_list.id,
        "name": task_list.name,
        "status": task_list.state.value,
        "createdAt": timestamp(task_list.created_at),
        "finishedAt": timestamp(task_list.finished_at),
        **about(task_list),
    }
