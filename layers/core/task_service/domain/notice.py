"""Notices: a task that tells of another one, which has failed for good."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from task_service.domain.task import Task

MAX_ERROR: Final = 2_000
"""The most characters of a task's error in its notice, which so always fits into a record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """The result of telling of a failed task."""

    task_id: str
    """The task that has failed."""
    name: str
    """Name of the notice's template."""
    notice_id: str
    is_new: bool = False
    """Whether it was created now; else before, or not at all."""
    missed: str | None = None
    """Why it cannot be created; None: it is there."""


def notice_id(task: Task) -> str:
    """The id of the notice of a failed task: always the same, and another one after each replay."""
    identity = json.dumps(["failed", task.id, task.replay])
    return str(UUID(bytes=hashlib.sha256(identity.encode()).digest()[:16], version=5))


def notice_request(task: Task) -> str:
    """The request of the notice of a failed task, as JSON text."""
    error = task.error or ""
    return json.dumps(
        {
            "id": task.id,
            "name": task.name,
            "error": error if len(error) <= MAX_ERROR else f"{error[: MAX_ERROR - 1]}…",
            "responseCode": task.response_code,
            "attempts": task.attempts,
        }
    )
