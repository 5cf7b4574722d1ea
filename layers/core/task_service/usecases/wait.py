"""Waiting for a task or a list to end, for a bounded time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from task_service.domain.errors import Unavailable
from task_service.domain.task import Task
from task_service.domain.task_list import TaskList
from task_service.ports import Clock, Pause
from task_service.usecases.read_list import ListReader
from task_service.usecases.read_task import TaskReader

log: Final = logging.getLogger("task")


MAX_WAIT: Final = timedelta(seconds=25)
"""The longest wait; API Gateway gives up on a function after 29 seconds."""

SHORTEST_PAUSE: Final = timedelta(milliseconds=50)
LONGEST_PAUSE: Final = timedelta(seconds=2)

_SHARE: Final = 4
"""A pause is a quarter of the time that has passed, so a task's end is seen at most a quarter later than it happens."""

E = TypeVar("E", Task, TaskList)


@dataclass(kw_only=True, eq=False, repr=False)
class Waiter:
    """Reads a task or a list again and again, until it has ended or time is up."""

    tasks: TaskReader
    lists: ListReader
    clock: Clock
    pause: Pause

    def task(self, task_id: str, *, until: datetime) -> Task:
        """The task as it is once it has ended, or then. Raises NotFound, and Unavailable where the last look failed."""
        return self._ended(lambda: self.tasks.task(task_id), until)

    def task_list(self, list_id: str, *, until: datetime) -> TaskList:
        """The same for a list, of which only its own record is looked at."""
        return self._ended(lambda: self.lists.task_list(list_id), until)

    def _ended(self, look: Callable[[], E], until: datetime) -> E:
        started = self.clock()
        while True:
            failure: Unavailable | None = None
            try:
                found = look()
            except Unavailable as error:
                log.warning(str(error), extra={"action": "wait"})
                failure = error
            now = self.clock()
            if failure is None and (found.state.is_final or now >= until):
                return found
            if failure is not None and now >= until:
                raise failure
            # The last read comes at the very end.
            self.pause(min(pause(now - started), until - now).total_seconds())


def pause(passed: timedelta) -> timedelta:
    """The pause before the next read, after a wait of `passed`: some 30 reads in MAX_WAIT."""
    return min(max(passed / _SHARE, SHORTEST_PAUSE), LONGEST_PAUSE)
