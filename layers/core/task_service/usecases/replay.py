"""Replaying: what has failed starts again, what is done stays as it is.

The api function sends the message first. The message carries the number of the replay; the executor that gets it writes
that number, if the api function stopped before it could. So from then on the replay happens once, whatever crashes, and
however many clients ask for it at the same time. Where records and queue are in one database, both are one transaction,
and no executor can be faster than the answer.
"""

from dataclasses import dataclass

from task_service.domain.errors import Conflict, NotFound
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.task import State, Task
from task_service.domain.task_list import TaskList
from task_service.domain.trace import work_in
from task_service.ports import Clock, TaskLists, TaskQueue, Tasks, UnitOfWork
from task_service.usecases.cancel import refuse_part_of_list
from task_service.usecases.notify_failure import FailureNotifier
from task_service.usecases.read_task import TaskReader


@dataclass(kw_only=True, eq=False, repr=False)
class Replayer:
    """Starts failed tasks and task lists again."""

    tasks: Tasks
    lists: TaskLists
    reading: TaskReader
    queue: TaskQueue
    unit_of_work: UnitOfWork
    clock: Clock
    notifier: FailureNotifier

    def task(self, task_id: str, *, by: str | None = None) -> Task:
        """Start a failed task again, with all its attempts, unless a replay of it is under way already.

        Raises NotFound, and Conflict if it has not failed.
        """
        refuse_part_of_list(self.reading, task_id)
        task = self.reading.task(task_id)
        if task.replay and not task.state.is_final:
            # Another request has replayed it, perhaps at the same time: both get the same answer.
            return task
        if task.state is not State.FAILED:
            raise Conflict.has_not_failed("task", task.shown_state)
        # The executor that ended it may have stopped before it could tell of this failure.
        self.notifier.tell(task_id, task.template)
        number = task.replay + 1
        with self.unit_of_work():
            self.queue.send(TaskMessage(task_id=task_id, attempt=1, replay=number, by=by, queue_group=task.turn))
            return self.tasks.replay(task_id, number=number, by=by).task or task

    def task_list(self, list_id: str, *, by: str | None = None) -> TaskList:
        """Start a failed list again, from its failed tasks, unless a replay of it is under way already.

        Raises NotFound, and Conflict if it has not failed.
        """
        task_list = self.lists.get(list_id)
        if task_list is None or task_list.expires_at <= self.clock():
            raise NotFound.task_list()
        work_in(task_list.context.trace)
        if task_list.replay and not task_list.state.is_final:
            return task_list
        if task_list.state is not State.FAILED:
            state = "under way" if task_list.state is State.CREATED else task_list.state
            raise Conflict.has_not_failed("taskList", state)
        number = task_list.replay + 1
        with self.unit_of_work():
            self.queue.send(GroupStart(list_id=list_id, replay=number, by=by, queue_group=task_list.turn))
            return self.lists.replay(list_id, number=number, by=by) or task_list
