"""The task lists in memory."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from task_service.domain.task import Body, Place, State, Task, place_of
from task_service.domain.task_list import CHUNK, GroupState, ListRecords, TaskList
from task_service.ports import TaskLists
from task_service.testing.faults import Faults, faulty
from task_service.testing.tasks import InMemoryTasks

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass
class InMemoryLists(TaskLists):
    """The task lists of a table, beside the tasks of one."""

    tasks: InMemoryTasks
    lists: dict[str, TaskList] = field(default_factory=dict)
    groups: dict[tuple[str, int], GroupState] = field(default_factory=dict)
    chunks: dict[tuple[str, int, int], GroupState] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    writes: int = 0

    @faulty
    def add(self, task_list: TaskList) -> TaskList | None:
        present = self.lists.get(task_list.id)
        if present is None:
            self._put(self.lists, task_list.id, task_list)
        return present

    @faulty
    def remove(self, list_id: str) -> None:
        self.lists.pop(list_id, None)

    @faulty
    def get(self, list_id: str) -> TaskList | None:
        return self.lists.get(list_id)

    @faulty
    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        parts = range(parallel)
        if parallel > CHUNK:
            parts = range(-(-parallel // CHUNK))
            for chunk in parts:
                positions = range(chunk * CHUNK, min((chunk + 1) * CHUNK, parallel))
                whole = _group(task_list, chunk, positions)
                self._start_part(self.chunks, (task_list.id, index, chunk), whole)
        group = _group(task_list, index, parts, failed_before=failed_before)
        return self._start_part(self.groups, (task_list.id, index), group)

    @faulty
    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        number, ended_well = position, well
        if parallel > CHUNK:
            number = position // CHUNK
            chunk = self._take_off(task_list, self.chunks, (task_list.id, index, number), position, well=well)
            if chunk.outstanding:
                return None
            ended_well = not chunk.failed
        return self._take_off(task_list, self.groups, (task_list.id, index), number, well=ended_well)

    @faulty
    def close_group(
        self,
        task_list: TaskList,
        index: int,
        *,
        well: bool,
        stopped_at: int | None = None,
        result: Body | None = None,
        error: str | None = None,
    ) -> GroupState:
        group = self.groups[task_list.id, index]
        if group.state.is_final or group.replay != task_list.replay:
            return group
        state = State.DONE if well else State.FAILED
        closed = replace(group, state=state, stopped_at=stopped_at, result=result, error=error)
        return self._put(self.groups, (task_list.id, index), closed)

    @faulty
    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        record = self.lists[task_list.id]
        if not record.state.is_final and record.replay == task_list.replay:
            state = State.DONE if well else State.FAILED
            self._put(self.lists, task_list.id, replace(record, state=state, finished_at=now))

    @faulty
    def cancel(self, task_list: TaskList, *, now: datetime, by: str | None = None) -> TaskList | None:
        record = self.lists.get(task_list.id)
        if record is None or record.state.is_final or record.replay != task_list.replay:
            return record
        cancelled = replace(record, state=State.CANCELLED, finished_at=now, cancelled_by=by)
        return self._put(self.lists, task_list.id, cancelled)

    @faulty
    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        group = self.groups.get((task_list.id, index)) or _group(task_list, index, ())
        waits = group.state is State.FAILED and group.replay < task_list.replay
        if (group.state.is_final and not waits) or group.replay > task_list.replay:
            return group
        cancelled = replace(group, state=State.CANCELLED, replay=task_list.replay)
        return self._put(self.groups, (task_list.id, index), cancelled)

    @faulty
    def replay(self, list_id: str, *, number: int, by: str | None = None) -> TaskList | None:
        record = self.lists.get(list_id)
        if record is None or record.state is not State.FAILED or record.replay >= number:
            return record
        opened = replace(record, state=State.CREATED, replay=number, finished_at=None, replayed_by=by)
        return self._put(self.lists, list_id, opened)

    @faulty
    def records(self, list_id: str) -> ListRecords | None:
        if list_id not in self.lists:
            return None
        groups = {index: group for (owner, index), group in self.groups.items() if owner == list_id}
        failed: dict[int, frozenset[int]] = {}
        for (owner, index, _), chunk in self.chunks.items():
            if owner == list_id:
                failed[index] = failed.get(index, frozenset()) | chunk.failed
        return ListRecords(
            task_list=self.lists[list_id],
            groups=groups,
            tasks={
                (place.group, place.position): self._shown(task, self.lists[list_id])
                for place, task in self._tasks(list_id)
                if place.group in groups and groups[place.group].state not in (State.DONE, State.FAILED)
            },
            failed={index: group.failed for index, group in groups.items()} | failed,
        )

    @faulty
    def results(self, list_id: str, index: int) -> Iterator[Body]:
        tasks = [(place, task) for place, task in self._tasks(list_id) if place.group == index]
        ordered = sorted(tasks, key=lambda item: item[0].position)
        return iter([task.result for _, task in ordered if task.result is not None])

    def _tasks(self, list_id: str) -> list[tuple[Place, Task]]:
        places = ((place_of(task_id), task) for task_id, task in self.tasks.records.items())
        return [(place, task) for place, task in places if place is not None and place.list_id == list_id]

    def _shown(self, task: Task, task_list: TaskList) -> State:
        return State.CREATED if task_list.will_replay(task.state, task.replay) else task.shown_state

    def _start_part(self, records: dict[K, GroupState], key: K, new: GroupState) -> GroupState:
        """Write a group's or a chunk's record, or take the one that is there into this replay."""
        known = records.get(key)
        if known is None:
            return self._put(records, key, new)
        if known.replay >= new.replay:
            return known
        taken = replace(known, replay=new.replay, failed_before=new.failed_before)
        if known.failed:
            taken = replace(taken, outstanding=known.failed, failed=frozenset())
        if known.state is State.FAILED:
            starts_at = known.starts_at if known.stopped_at is None else known.stopped_at
            taken = replace(taken, state=State.PENDING, starts_at=starts_at, stopped_at=None, result=None, error=None)
        return self._put(records, key, taken)

    def _take_off(
        self, task_list: TaskList, records: dict[K, GroupState], key: K, number: int, *, well: bool
    ) -> GroupState:
        state = records[key]
        if state.replay != task_list.replay:
            return state
        failed = state.failed if well else state.failed | {number}
        return self._put(records, key, replace(state, outstanding=state.outstanding - {number}, failed=failed))

    def _put(self, records: dict[K, T], key: K, record: T) -> T:
        self.writes += 1
        records[key] = record
        return record


def _group(task_list: TaskList, index: int, outstanding: Iterable[int], *, failed_before: bool = False) -> GroupState:
    return GroupState(
        index=index,
        state=State.PENDING,
        outstanding=frozenset(outstanding),
        failed_before=failed_before,
        replay=task_list.replay,
    )
