"""Cancelling: what has not started never does, and what comes of a call that is under way is discarded."""

from collections.abc import Iterable

from task_service.domain.advance import outstanding_positions
from task_service.domain.errors import Conflict, NotFound
from task_service.domain.task import CacheWrite, Place, State, Task, place_of
from task_service.domain.task_list import CANCELLED, Execution, GroupState, Plan, TaskList
from task_service.ports import Bodies, Clock, ListRecords, TaskLists, TaskQueue, Tasks
from task_service.usecases.read_task import TaskReading
from task_service.wired import wired


@wired
class Cancelling:
    """Cancels tasks and task lists."""

    tasks: Tasks
    lists: TaskLists
    reading: TaskReading
    bodies: Bodies
    queue: TaskQueue
    clock: Clock
    has_cache: bool
    """Whether there is a cache service, which gets the status of every list that has ended."""

    def task(self, task_id: str) -> Task:
        """Cancel a task, unless that was done before. Raises NotFound, and Conflict where it has ended."""
        refuse_part_of_list(self.reading, task_id)
        task = self.tasks.cancel(task_id, reason=CANCELLED, now=self.clock()).task
        if task is None or task.expires_at <= self.clock():
            raise NotFound("task is not found")
        if task.state is not State.CANCELLED:
            raise Conflict(f"task is {task.state}: only one that has not ended can be cancelled")
        return task

    def task_list(self, list_id: str) -> TaskList:
        """Cancel a list: no task of it starts after this. Raises NotFound, and Conflict where it has ended.

        Every step can be repeated: after an error, cancelling it again does the rest.
        """
        task_list = self.lists.cancel(list_id, now=self.clock())
        if task_list is None or task_list.expires_at <= self.clock():
            raise NotFound("taskList is not found")
        if task_list.state is not State.CANCELLED:
            raise Conflict(f"taskList is {task_list.state}: only one that has not ended can be cancelled")
        records = self.lists.records(list_id)
        if records is not None:
            self._stop(task_list, records)
        if self.has_cache:
            namespace, scope = task_list.cache_namespace, task_list.cache_scope
            self.queue.send(CacheWrite(key=list_id, is_list=True, namespace=namespace, scope=scope))
        return task_list

    def _stop(self, task_list: TaskList, records: ListRecords) -> None:
        """Close the group that is under way, or would be next: whoever moves the list on meets it, and stops."""
        plan = Plan.from_text(self.bodies.load(task_list.plan))
        for index in range(len(plan.groups)):
            if _has_ended(records.groups.get(index), task_list):
                continue
            group = self.lists.cancel_group(task_list, index)
            if group.state is State.CANCELLED:
                self._stop_tasks(task_list, plan, group, records)
                return

    def _stop_tasks(self, task_list: TaskList, plan: Plan, group: GroupState, records: ListRecords) -> None:
        """Cancel the tasks whose messages may be on their way; no other can start in a closed group."""
        is_sequential = plan.groups[group.index].execution is Execution.SEQUENTIAL
        for position in _unfinished(plan, group, records):
            place = Place(list_id=task_list.id, group=group.index, position=position)
            birth = task_list.first_record(plan, place)
            task = self.tasks.cancel(place.task_id, reason=CANCELLED, now=self.clock(), birth=birth).task
            if is_sequential and task is not None and task.state is not State.DONE:
                # Nobody gets past a task that is not done.
                return


def refuse_part_of_list(reading: TaskReading, task_id: str) -> None:
    """Raise Conflict for a task of a list, which starts and ends with its list; NotFound where there is none."""
    place = place_of(task_id)
    if place is not None:
        reading.task(task_id)
        raise Conflict(f"task is a part of taskList {place.list_id}: this is possible for the whole list only")


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
