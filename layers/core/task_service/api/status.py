"""A task's state as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from task_service.domain.task import Body, State, Task

if TYPE_CHECKING:
    from task_service.domain.task_list import Overview

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
        "attempts": task.attempt if task.started_at else 0,
        "responseCode": task.response_code,
        "createdAt": _timestamp(task.created_at),
        "startedAt": _timestamp(task.started_at),
        "finishedAt": _timestamp(task.finished_at),
        "error": task.error,
    }


def list_status(overview: Overview, load: Callable[[Body], str]) -> str:
    """The body of `taskListStatus`, as JSON text."""
    list_id = overview.task_list.id
    groups: list[str] = []
    for index in range(len(overview.plan.groups)):
        group: dict[str, Any] = {"id": f"{list_id}.{index}", "status": overview.group_state(index).value}
        states = overview.task_states(index)
        if states:
            group["tasks"] = [
                {"id": f"{list_id}.{index}.{position}", "status": state.value} for position, state in enumerate(states)
            ]
        text = json.dumps(group)
        written = overview.groups.get(index)
        if written is not None and written.result is not None:
            text = f'{text[:-1]}, "result": {load(written.result)}}}'
        groups.append(text)
    return f'{{"id": {json.dumps(list_id)}, "status": "{overview.state.value}", "groups": [{", ".join(groups)}]}}'


def _timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
