"""Tasks as rows of the table `tasks`."""

from typing import Any, Final

from task_service.adapters.postgres.connection import Row
from task_service.adapters.postgres.values import body_values, member_values, read_body, read_members
from task_service.domain.history import from_text, to_text
from task_service.domain.task import Task, place_of
from task_service.domain.template import TaskTemplate

_MEMBERS: Final = (
    *("id", "name", "cache_namespace", "cache_scope", "state", "attempt", "replay", "created_at", "expires_at"),
    *("not_before", "lease_until", "holder", "started_at", "finished_at", "response_code", "redirects"),
    *("final_origin", "error", "context", "cancelled_by", "replayed_by", "queue_group"),
)

SUMMARY: Final = ", ".join(_MEMBERS)
"""The columns of a task without template, bodies and history."""

COLUMNS: Final = f"{SUMMARY}, template, request, request_key, result, result_key, attempt_started_at, history"
"""All columns of a task."""

PARAMETERS: Final = ", ".join(f"%({name})s" for name in COLUMNS.split(", "))


def to_values(task: Task) -> dict[str, Any]:
    """The values of a task's columns."""
    return {
        **member_values(task, _MEMBERS),
        "template": task.template.document if task.template else None,
        **body_values("request", task.request),
        **body_values("result", task.result),
        "attempt_started_at": task.attempt_started_at,
        "history": to_text(task.earlier) if task.earlier else None,
        "in_list": place_of(task.id) is not None,
    }


def from_row(row: Row) -> Task:
    """The task of a row of COLUMNS."""
    template = row["template"]
    return Task(
        **read_members(row, _MEMBERS),
        template=TaskTemplate.from_text(template) if template is not None else None,
        request=read_body(row, "request"),
        result=read_body(row, "result"),
        attempt_started_at=row["attempt_started_at"],
        earlier=from_text(row["history"]) if row["history"] is not None else (),
    )


def from_summary(row: Row) -> Task:
    """The task of a row of SUMMARY."""
    return Task(**read_members(row, _MEMBERS))
