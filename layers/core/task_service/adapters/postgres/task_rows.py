"""Tasks as rows of the table `tasks`."""

from typing import Any, Final

from task_service.adapters.postgres.connection import Row
from task_service.adapters.postgres.values import body_values, read_body, read_optional_time, read_time
from task_service.domain.context import Context
from task_service.domain.history import from_text, to_text
from task_service.domain.task import State, Task, place_of
from task_service.domain.template import TaskTemplate

SUMMARY: Final = (
    "id, name, cache_namespace, cache_scope, state, attempt, replay, created_at, expires_at, not_before, lease_until, "
    "holder, started_at, finished_at, response_code, redirects, final_origin, error, context, "
    "cancelled_by, replayed_by, queue_group"
)
"""The columns of a task without template, bodies and history."""

COLUMNS: Final = f"{SUMMARY}, template, request, request_key, result, result_key, attempt_started_at, history"
"""All columns of a task."""

PARAMETERS: Final = ", ".join(f"%({name})s" for name in COLUMNS.split(", "))


def to_values(task: Task) -> dict[str, Any]:
    """The values of a task's columns."""
    return {
        "id": task.id,
        "name": task.name,
        "template": task.template.document if task.template else None,
        **body_values("request", task.request),
        "cache_namespace": task.cache_namespace,
        "cache_scope": task.cache_scope,
        "state": task.state.value,
        "attempt": task.attempt,
        "replay": task.replay,
        "created_at": task.created_at,
        "expires_at": task.expires_at,
        "not_before": task.not_before,
        "lease_until": task.lease_until,
        "holder": task.holder,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "response_code": task.response_code,
        "redirects": task.redirects,
        "final_origin": task.final_origin,
        **body_values("result", task.result),
        "error": task.error,
        "context": task.context.to_text(),
        "cancelled_by": task.cancelled_by,
        "replayed_by": task.replayed_by,
        "queue_group": task.queue_group,
        "attempt_started_at": task.attempt_started_at,
        "history": to_text(task.earlier) if task.earlier else None,
        "in_list": place_of(task.id) is not None,
    }


def from_row(row: Row) -> Task:
    """The task of a row of COLUMNS."""
    template = row["template"]
    return Task(
        **_summary(row),
        template=TaskTemplate.from_text(template) if template is not None else None,
        request=read_body(row, "request"),
        result=read_body(row, "result"),
        attempt_started_at=read_optional_time(row, "attempt_started_at"),
        earlier=from_text(row["history"]) if row["history"] is not None else (),
    )


def from_summary(row: Row) -> Task:
    """The task of a row of SUMMARY."""
    return Task(**_summary(row))


def _summary(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "cache_namespace": row["cache_namespace"],
        "cache_scope": row["cache_scope"],
        "state": State(row["state"]),
        "attempt": row["attempt"],
        "replay": row["replay"],
        "created_at": read_time(row, "created_at"),
        "expires_at": read_time(row, "expires_at"),
        "not_before": read_optional_time(row, "not_before"),
        "lease_until": read_optional_time(row, "lease_until"),
        "holder": row["holder"],
        "started_at": read_optional_time(row, "started_at"),
        "finished_at": read_optional_time(row, "finished_at"),
        "response_code": row["response_code"],
        "redirects": row["redirects"],
        "final_origin": row["final_origin"],
        "error": row["error"],
        "context": Context.from_text(row["context"]),
        "cancelled_by": row["cancelled_by"],
        "replayed_by": row["replayed_by"],
        "queue_group": row["queue_group"],
    }
