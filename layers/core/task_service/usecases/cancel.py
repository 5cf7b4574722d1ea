"""Cancelling: a task that has not started never does, and the result of a call that is still running is discarded.

A task is cancelled with one write. A list takes several:

    send the message ──► close the group ──► cancel its tasks ──► write that the list is cancelled

A client sees the list as cancelled after the last of these writes, so from then on no task of it starts and no state of
it changes. Every write can be repeated. The executor that gets the message completes the cancellation, if the api
function stopped in the middle of it, and writes the list's status to the cache service.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from task_service.domain.advance import outstanding_positions
from task_service.domain.errors import Conflict, NotFound, Unavailable
from task_service.domain.messages import ListCancel
from task_service.domain.task import Place, State, Task, place_of
from task_service.domain.task_list import CANCELLED, Execution, GroupState, ListRecords, Plan, TaskList
from task_service.domain.trace import work_in
from task_service.ports import Bodies, Clock, TaskLists, TaskQueue, Tasks
from task_service.usecases.notify_failure import FailureNotifier
from task_service.usecases.read_task import TaskReader

COMPLETED_AFTER: Final = timedelta(seconds=5)
"""Delay of the message; normally the cancellation is complete by then, and the executor finds nothing to do."""


@dataclass(kw_only=True, eq=False, repr=False)
class Canceller:
    """Cancels tasks and task lists."""

    tasks: Tasks
    lists: TaskLists
    reading: TaskReader
    bodies: Bodies
    queue: TaskQueue
    clock: Clock
    notifier: FailureNotifier

    def task(self, task_id: str, *, by: str | None = None) -> Task:
        """Cancel a task, unless that was done before. Raises NotFound, and Conflict where it has ended."""
        refuse_part_of_list(self.reading, task_id)
        task = self.tasks.cancel(task_id, reason=CANCELLED, now=self.clock(), by=by).task
        if task is None or task.expires_at <= self.clock():
            raise NotFound.task()
        work_in(task.context.trace)
        if task.state is not State.CANCELLED:
            raise Conflict.has_ended("task", task.state)
        return task

    def task_list(self, list_id: str, *, by: str | None = None) -> TaskList:
        """Cancel a list: no task of it starts after this. Raises NotFound, and Conflict where it has ended.

        Every step can be repeated: after an error, cancelling it again does the rest.
        """
        task_list = self.lists.get(list_id)
        if task_list is None or task_list.expires_at <= self.clock():
            raise NotFound.task_list()
        if not task_list.state.is_final:
            message = ListCancel(list_id=list_id, replay=task_list.replay, by=by)
            self.queue.send(message, due_at=self.clock() + COMPLETED_AFTER)
        return self._cancel(task_list, by)

    def complete(self, message: ListCancel) -> TaskList | None:
        """Complete the cancellation of a list; None: there is no such list, or it has ended in another way."""
        task_list = self.lists.get(message.list_id)
        if task_list is None or task_list.expires_at <= self.clock() or task_list.replay != message.replay:
            return None
        try:
            return self._cancel(task_list, message.by)
        except Conflict:
            return None

    def _cancel(self, task_list: TaskList, by: str | None) -> TaskList:
        work_in(task_list.context.trace)
        cancelled: TaskList | None = task_list
        if not task_list.state.is_final:
            self._stop(task_list, by)
            cancelled = self.lists.cancel(task_list, now=self.clock(), by=by)
        if cancelled is None:
            raise NotFound.task_list()
        if not cancelled.state.is_final:
            raise Unavailable("taskList has been replayed meanwhile")
        if cancelled.state is not State.CANCELLED:
            raise Conflict.has_ended("taskList", cancelled.state)
        return cancelled

    def _stop(self, task_list: TaskList, by: str | None) -> None:
        """Close the group that is running, or would be next: an executor that advances the list finds it and stops."""
        records = self.lists.records(task_list.id)
        if records is None or records.task_list.replay != task_list.replay:
            return
        plan = Plan.from_text(self.bodies.load(task_list.plan))
        for index in range(len(plan.groups)):
            if _has_ended(records.groups.get(index), task_list):
                continue
            group = self.lists.cancel_group(task_list, index)
            if group.state is State.CANCELLED:
                self._stop_tasks(task_list, plan, group, records, by)
                return

    def _stop_tasks(
        self, task_list: TaskList, plan: Plan, group: GroupState, records: ListRecords, by: str | None
    ) -> None:
        """Cancel the tasks whose messages may be in the queue; no other can start in a closed group.

        The executor that ended one as failed may have stopped before it could tell of it, and a closed group leads no
        other one there.
        """
        is_sequential = plan.groups[group.index].execution is Execution.SEQUENTIAL
        for position in _unfinished(plan, group, records):
            place = Place(list_id=task_list.id, group=group.index, position=position)
            birth = task_list.first_record(plan, place)
            task = self.tasks.cancel(place.task_id, reason=CANCELLED, now=self.clock(), birth=birth, by=by).task
            if task is not None and task.state is State.FAILED:
                self.notifier.tell(task.id, plan.task_template(place))
            if is_sequential and task is not None and task.state is not State.DONE:
                # The tasks after one that is not done cannot start.
                return


def refuse_part_of_list(reading: TaskReader, task_id: str) -> None:
    """Raise Conflict for a task of a list, which starts and ends with its list; NotFound where there is none."""
    place = place_of(task_id)
    if place is not None:
        reading.task(task_id)
        raise Conflict.part_of_list(place.list_id)


def _has_ended(group: GroupState | None, task_list: TaskList) -> bool:
    if group is None or group.state is State.CANCELLED:
        return False
    return group.state is State.DONE or (group.state is State.FAILED and group.replay == task_list.replay)


def _unfinished(plan: Plan, group: GroupState, records: ListRecords) -> Iterable[int]:
    """The positions of the group's tasks that may not have ended; one that failed can be about to start again."""
    size = len(plan.groups[group.index].tasks)
    if plan.groups[group.index].execution is Execution.SEQUENTIAL:
        positions: Iterable[int] = range(group.starts_at, size)
    else:
        positions = outstanding_positions(group.outstanding, size)
    for position in positions:
        if records.tasks.get((group.index, position)) not in (State.DONE, State.CANCELLED):
            yield position
