"""Waiting for a task or a list to end, for a bounded time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from task_service.domain import polling as waiting
from task_service.domain.errors import Unavailable
from task_service.domain.task import Task
from task_service.domain.task_list import TaskList
from task_service.ports import Clock, Pause
from task_service.usecases.read_list import ListReader
from task_service.usecases.read_task import TaskReader

log: Final = logging.getLogger("task")


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
            found, failure = _seen(look)
            now = self.clock()
            if found is not None and (found.state.is_final or now >= until):
                return found
            if failure is not None and now >= until:
                raise failure
            # The last read comes at the very end.
            self.pause(min(waiting.pause(now - started), until - now).total_seconds())


def _seen(look: Callable[[], E]) -> tuple[E | None, Unavailable | None]:
    """The record that was read, or the failure of the read."""
    try:
        return look(), None
    except Unavailable as error:
        log.warning(str(error), extra={"action": "wait"})
        return None, error
