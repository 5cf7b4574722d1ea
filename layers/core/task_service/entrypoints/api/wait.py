"""Waiting with a request (Prefer: wait, RFC 7240) until a task or a list has ended, or the time is over."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response

if TYPE_CHECKING:
    from task_service.domain.task import Task
    from task_service.domain.task_list import TaskList
    from task_service.entrypoints.api.services import Services
    from task_service.usecases.wait import Waiter

log: Final = logging.getLogger("task")

MARGIN: Final = timedelta(seconds=3)
"""The part of the function's time that is kept for one more look at a slow table, and for answering."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """The wait of one request."""

    waiter: "Waiter"
    until: datetime
    """When the wait ends at the latest."""
    headers: Mapping[str, str]
    """Tell the client that its preference was applied."""

    @classmethod
    def of(cls, request: Request, services: "Services") -> "Wait | None":
        """The wait that a request asks for, which ends before the function's time does; None if it asks for none."""
        prefer = request.header("Prefer")
        if prefer is None:
            return None
        from task_service.entrypoints.api.prefer import wait_seconds

        seconds = wait_seconds(prefer)
        if not seconds:
            return None
        longest = min(timedelta(seconds=seconds), request.remaining_time() - MARGIN)
        waiter = services.waiter
        return cls(waiter=waiter, until=waiter.clock() + longest, headers={"Preference-Applied": f"wait={seconds}"})

    def task(self, task_id: str) -> "Task":
        """The task, once it has ended or the time is over. Raises NotFound, Unavailable."""
        return self.waiter.task(task_id, until=self.until)

    def task_list(self, list_id: str) -> "TaskList":
        """The list, once it has ended or the time is over. Raises NotFound, Unavailable."""
        return self.waiter.task_list(list_id, until=self.until)


def in_time(read: Callable[[], Response | None], created: str) -> Response | None:
    """The response about a new task or list; None if reading it fails: it is created, so no error may deny it."""
    try:
        return read()
    except Exception:
        log.exception("created, but not read", extra={"action": "wait", "record_id": created})
        return None
