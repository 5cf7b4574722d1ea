"""Reading a task's result and status."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from task_service.domain.errors import NotFound, TaskFailed
from task_service.domain.task import Place, State, Task, place_of
from task_service.domain.trace import work_in
from task_service.ports import Bodies, Clock, Tasks

if TYPE_CHECKING:
    from task_service.usecases.read_list import ListReader


@dataclass(kw_only=True, eq=False, repr=False)
class TaskReader:
    """Answers questions about tasks."""

    tasks: Tasks
    lists: Callable[[], "ListReader"]
    bodies: Bodies
    clock: Clock

    def result_of(self, task: Task) -> str:
        """The result of a task as JSON text. Raises NotFound where there is none yet, TaskFailed."""
        if task.state is State.DONE and task.result is not None:
            return self.bodies.load(task.result)
        if task.state in (State.FAILED, State.CANCELLED):
            raise TaskFailed.ended_as(task.state, task.error)
        raise NotFound.result()

    def task(self, task_id: str) -> Task:
        """The task. Raises NotFound for an unknown id or one whose retention has ended."""
        task = self.tasks.get(task_id)
        place = place_of(task_id)
        if place is not None and (task is None or self._starts_again(task, place)):
            task = self.lists().unstarted(place)
        # The table may remove expired records days later.
        if task is None or task.expires_at <= self.clock():
            raise NotFound.task()
        work_in(task.context.trace)
        return task

    def _starts_again(self, task: Task, place: Place) -> bool:
        """Whether the running replay will start this failed task of a list, and has not reached it yet."""
        if task.state is not State.FAILED:
            return False
        try:
            task_list = self.lists().task_list(place.list_id)
        except NotFound:
            # Its retention has ended, as that of its tasks has.
            return False
        return task_list.will_replay(task.state, task.replay)
