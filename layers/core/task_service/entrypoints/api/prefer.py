"""Prefer: wait (RFC 7240): answers that come as soon as there is something to tell, or when time is up."""

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from task_service.domain.errors import TaskFailed
from task_service.domain.polling import MAX_WAIT
from task_service.domain.task import Task
from task_service.domain.task_list import TaskList
from task_service.entrypoints.api.status import HTTP_STATUS
from task_service.usecases.wait import Waiter

log: Final = logging.getLogger("task")
T = TypeVar("T")

MARGIN: Final = timedelta(seconds=3)
"""What is kept of the function's time, for a last look at a table that hangs and for answering."""


class Wait:
    """What one request waits with."""

    def __init__(self, waiting: Waiter, seconds: int, until: datetime) -> None:
        self._waiting = waiting
        self._until = until
        self.headers: Final = {"Preference-Applied": f"wait={seconds}"}
        """What tells the client that it was done as it prefers."""

    @classmethod
    def asked_for(cls, prefer: str, waiting: Callable[[], Waiter], context: Any) -> "Wait | None":
        """The wait that a Prefer header asks for, ended before the function's time is; None: it asks for none."""
        seconds = wait_seconds(prefer)
        if not seconds:
            return None
        left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - MARGIN
        until = waiting().clock() + min(timedelta(seconds=seconds), left)
        return cls(waiting(), seconds, until)

    def task(self, task_id: str) -> Task:
        """The task, once it has ended or time is up. Raises NotFound, Unavailable."""
        return self._waiting.task(task_id, until=self._until)

    def task_list(self, list_id: str) -> TaskList:
        """The same for a list."""
        return self._waiting.task_list(list_id, until=self._until)

    def result_of_new(self, task_id: str) -> str | None:
        """The result of a task that was created, None: there is none in time. Raises TaskFailed."""

        def result() -> str | None:
            task = self.task(task_id)
            return self._waiting.tasks.result_of(task) if task.state.is_final else None

        return _in_time(result, task_id)

    def status_of_new(self, list_id: str) -> tuple[int, str] | None:
        """HTTP status and body of the status of a list that was created, None: it has not ended in time."""

        def status() -> tuple[int, str] | None:
            if not self.task_list(list_id).state.is_final:
                return None
            overview = self._waiting.lists.overview(list_id)
            return HTTP_STATUS[overview.state], self._waiting.lists.status_text(overview)

        return _in_time(status, list_id)


def _in_time(answer: Callable[[], T | None], created: str) -> T | None:
    """An answer about what was created. It is acknowledged, so whatever goes wrong now is not a refusal of it."""
    try:
        return answer()
    except TaskFailed:
        raise
    except Exception:
        log.exception("created, but not read", extra={"action": "wait", "record_id": created})
        return None


# -- the header (RFC 7240, 2), of which everything that is not understood is ignored

_LONGEST: Final = 1_000
"""Characters of a header that is read: quotes that are never closed take the square of its length."""

_SPACE: Final = r"[ \t]*+"
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_PARAMETER: Final = rf"{_TOKEN}(?:{_SPACE}={_SPACE}(?:{_TOKEN}|{_QUOTED}))?+"

_ELEMENT: Final = re.compile(rf'((?:{_QUOTED}|[^,"])*+)(,|"|$)')
_PREFERENCE: Final = re.compile(
    rf"{_SPACE}(?P<name>{_TOKEN})(?:{_SPACE}={_SPACE}(?P<value>{_TOKEN}|{_QUOTED}))?+"
    rf"(?:{_SPACE};{_SPACE}(?:{_PARAMETER})?+)*+{_SPACE}"
)


def wait_seconds(prefer: str) -> int:
    """The whole seconds, up to MAX_WAIT, that a Prefer header asks to wait; 0 where it asks for nothing of the kind."""
    if len(prefer) > _LONGEST:
        return 0
    for text, end in _ELEMENT.findall(prefer):
        if end == '"':
            # A quote that is never closed: nobody can say where the rest begins.
            return 0
        preference = _PREFERENCE.fullmatch(text)
        if preference is not None and preference["name"].lower() == "wait":
            # Of a preference that is repeated, only the first one counts.
            return _seconds(preference["value"] or "")
    return 0


def _seconds(value: str) -> int:
    """The number in a value, at most MAX_WAIT; 0 where it is none."""
    digits = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    if not (digits.isascii() and digits.isdigit()):
        return 0
    most = int(MAX_WAIT.total_seconds())
    significant = digits.lstrip("0") or "0"
    # Of more digits than a number of seconds needs, the value does not matter.
    return most if len(significant) > 9 else min(int(significant), most)
