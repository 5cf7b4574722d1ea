"""Checking that the service can do its work now."""

from dataclasses import dataclass

from task_service.domain.errors import Unavailable
from task_service.ports import TaskQueue, Tasks


@dataclass(kw_only=True, eq=False, repr=False)
class ReadinessCheck:
    """Asks table and queue."""

    tasks: Tasks
    queue: TaskQueue

    def check(self) -> None:
        """Return where both answer. Raises Unavailable, naming the one that does not."""
        for name, ask in (("table", self.tasks.ping), ("queue", self.queue.ping)):
            try:
                ask()
            except Unavailable as error:
                raise Unavailable.not_ready(name) from error
