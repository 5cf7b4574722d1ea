"""Task lists: groups of tasks, one group after the other, each sequential or parallel.

                 start            a task ends              the last one has ended
    (no record) ───────► pending ─────────────► pending ───────────────────────────► done | failed ──► next group

A replay walks through the groups again: a group that is done stays as it is, one that failed is opened for its failed
tasks. A cancelled list has a cancelled group, where every walk stops. `domain.advance` decides how a list advances.
"""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from task_service.domain import json_text
from task_service.domain.context import NO_CONTEXT, Context
from task_service.domain.start import group_of
from task_service.domain.task import Body, Place, State, Task
from task_service.domain.template import TaskTemplate

CHUNK: Final = 150
"""Of a parallel group larger than this, the outstanding tasks are kept in chunks of this size."""

STATUS_BYTES: Final = 128
"""More than a task, a group without its result, or the list itself takes in a list's status, escaped for transport."""

SKIPPED: Final = "not called: a task before it in its group failed"
CANCELLED: Final = "cancelled on request"


def chunks_of(parallel: int) -> list[range]:
    """The positions in each chunk of a parallel group; empty: it is kept as a whole."""
    if parallel <= CHUNK:
        return []
    return [range(first, min(first + CHUNK, parallel)) for first in range(0, parallel, CHUNK)]


class Execution(StrEnum):
    """How the tasks of a group run."""

    SEQUENTIAL = "sequential"
    """One after the other; each gets the result of the one before it. After a failure the rest are not called."""
    PARALLEL = "parallel"
    """All at once; each gets the list's request. A failure stops none of the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group of a list."""

    execution: Execution
    tasks: tuple[str, ...] = ()
    """Names of task templates."""
    final_policy: str = ""
    """Evaluated with the array of the tasks' results when the group ends well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskListTemplate:
    """The groups that a list of this name runs."""

    name: str
    document: str = field(repr=False, compare=False)
    groups: tuple[Group, ...]
    cache_namespace: str = ""
    cache_scope: str = ""

    @classmethod
    @lru_cache(maxsize=64)
    def from_text(cls, text: str) -> "TaskListTemplate":
        """The template of a stored JSON document, whose members are named as in the API."""
        document: Mapping[str, Any] = json.loads(text)
        return cls(
            name=document["name"],
            document=text,
            groups=tuple(
                Group(
                    execution=Execution(group["execution"]),
                    tasks=tuple(group.get("tasks") or ()),
                    final_policy=group.get("finalPolicy") or "",
                )
                for group in document["groups"]
            ),
            cache_namespace=document.get("cacheNamespace") or "",
            cache_scope=document.get("cacheScope") or "",
        )

    @property
    def task_names(self) -> list[str]:
        """The names of the task templates that it refers to, each once, in order."""
        return list(dict.fromkeys(name for group in self.groups for name in group.tasks))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A list template with the task templates it refers to, as they were when the list was created."""

    template: TaskListTemplate
    tasks: Mapping[str, TaskTemplate]

    def to_text(self) -> str:
        """The plan as JSON text."""
        tasks = {name: task.document for name, task in self.tasks.items()}
        return json.dumps({"list": self.template.document, "tasks": tasks}, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "Plan":
        """The plan of a JSON text."""
        plan = json.loads(text)
        return cls(
            template=TaskListTemplate.from_text(plan["list"]),
            tasks={name: TaskTemplate.from_text(document) for name, document in plan["tasks"].items()},
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, in order."""
        return self.template.groups

    def has(self, place: Place) -> bool:
        """Whether the list has a task in that place."""
        return place.group < len(self.groups) and place.position < len(self.groups[place.group].tasks)

    def task_template(self, place: Place) -> TaskTemplate:
        """The template of the task in that place."""
        return self.tasks[self.groups[place.group].tasks[place.position]]

    def result_fault(self, text: str) -> str | None:
        """Why `text` is too large for the result of a group; None: it is not.

        The groups with a final policy have equal shares, so that the list's status always fits into a response.
        """
        entries = 1 + len(self.groups) + sum(len(group.tasks) for group in self.groups)
        parts = sum(bool(group.final_policy) for group in self.groups)
        return json_text.too_large(text, less=entries * STATUS_BYTES, parts=parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskList:
    """A task list as the table has it."""

    id: str
    name: str
    """Name of its template."""
    plan: Body
    request: Body
    cache_namespace: str
    cache_scope: str
    state: State
    created_at: datetime
    expires_at: datetime
    not_before: datetime | None = None
    """When it is or was due to start; None: at once."""
    finished_at: datetime | None = None
    replay: int = 0
    """Number of replays so far."""
    context: Context = NO_CONTEXT
    cancelled_by: str | None = None
    """Name of the caller who cancelled it; None: it is not known."""
    replayed_by: str | None = None
    """Name of the caller who asked for its last replay; None: it is not known."""
    queue_group: str = ""
    """The group that its client has named; empty: that of its template."""

    @property
    def turn(self) -> str:
        """The group in whose turn its messages and those of its tasks are delivered."""
        return self.queue_group or group_of(self.name)

    def will_replay(self, state: State, replay: int) -> bool:
        """Whether the running replay will open a group or task that failed in `replay`, and has not reached it yet."""
        return state is State.FAILED and replay < self.replay and not self.state.is_final

    def first_record(self, plan: Plan, place: Place) -> Task:
        """The first record of the task in that place."""
        return Task(
            id=place.task_id,
            name=plan.groups[place.group].tasks[place.position],
            state=State.CREATED,
            attempt=1,
            created_at=self.created_at,
            expires_at=self.expires_at,
            replay=self.replay,
            context=self.context,
            queue_group=self.turn,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupState:
    """A group that has been started, as the table has it."""

    index: int
    state: State
    outstanding: frozenset[int] = frozenset()
    """Positions of a parallel group whose tasks have not ended; of a large group, the chunks with such tasks."""
    failed: frozenset[int] = frozenset()
    """Positions (or chunks) with a task that failed."""
    failed_before: bool = False
    """Whether an earlier group has failed."""
    starts_at: int = 0
    """Position of the first task to run in a sequential group: in a replay, the one that failed."""
    stopped_at: int | None = None
    """Position of the task that failed, in a closed sequential group."""
    replay: int = 0
    """Number of the last replay that has reached this group."""
    result: Body | None = None
    """The final policy's result."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRecords:
    """Everything that is stored of a list."""

    task_list: TaskList
    groups: Mapping[int, GroupState]
    """Groups that have started."""
    tasks: Mapping[tuple[int, int], State]
    """The shown states of the tasks that have been started, by group and position, of groups that are not closed."""
    failed: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """The positions of the tasks that failed, of parallel groups."""


# -- what clients see


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview(ListRecords):
    """A list with the states of all its groups and tasks."""

    plan: Plan

    def task_states(self, index: int) -> list[State]:
        """The state of every task of a group, in the template's order."""
        state = self.groups.get(index)
        if state is None or state.state not in (State.DONE, State.FAILED):
            return self._states_under_way(index)
        states = self._ended_states(state)
        if self.task_list.will_replay(state.state, state.replay):
            return [State.CREATED if ended is State.FAILED else ended for ended in states]
        return states

    def _ended_states(self, state: GroupState) -> list[State]:
        """The states of a closed group's tasks, from the group's record."""
        group = self.plan.groups[state.index]
        failed: Container[int] = self.failed.get(state.index, frozenset())
        if group.execution is Execution.SEQUENTIAL:
            failed = range(len(group.tasks) if state.stopped_at is None else state.stopped_at, len(group.tasks))
        return [State.FAILED if position in failed else State.DONE for position in range(len(group.tasks))]

    def _states_under_way(self, index: int) -> list[State]:
        group = self.plan.groups[index]
        rest = State.CANCELLED if self.task_list.state is State.CANCELLED else State.CREATED
        states: list[State] = []
        for position in range(len(group.tasks)):
            state = self.tasks.get((index, position), rest)
            if group.execution is Execution.SEQUENTIAL and state is State.FAILED:
                # After a failure in a sequential group the rest is not called.
                rest = State.FAILED
            states.append(state)
        return states

    def group_state(self, index: int) -> State:
        """The state of a group."""
        state = self.groups.get(index)
        if state is not None and state.state.is_final:
            return State.CREATED if self.task_list.will_replay(state.state, state.replay) else state.state
        if self.task_list.state is State.CANCELLED:
            return State.CANCELLED
        # A task's record may be read after its group's record was.
        has_started = state is not None or any(group == index for group, _ in self.tasks)
        return State.PENDING if has_started else State.CREATED

    @property
    def state(self) -> State:
        """The state of the list."""
        if self.task_list.state is State.CREATED and (self.groups or self.tasks):
            return State.PENDING
        return self.task_list.state
