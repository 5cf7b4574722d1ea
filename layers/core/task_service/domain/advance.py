"""How a task list moves on: one pure function.

It is given what is written, and can be asked again from any point of a crash: the moves it answers with are
repeatable.
"""

from dataclasses import dataclass

from task_service.domain.task import State
from task_service.domain.task_list import CHUNK, Execution, GroupState, Plan

# -- progress


@dataclass(frozen=True, slots=True)
class Started:
    """The group's record is written, now or before."""


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task of the group has ended, now or before."""

    position: int
    well: bool


Progress = Started | TaskEnded
"""What has happened in a group."""


# -- moves


@dataclass(frozen=True, slots=True)
class RunTask:
    """Run the task in that position."""

    position: int


@dataclass(frozen=True, slots=True)
class SendTasks:
    """Send the messages of the tasks in those positions."""

    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CloseGroup:
    """Write how the group ends: well, or with a failed task."""

    well: bool
    stopped_at: int | None = None
    """The position of the task that failed, in a sequential group."""


@dataclass(frozen=True, slots=True)
class StartGroup:
    """Write the record of that group."""

    index: int
    failed_before: bool


@dataclass(frozen=True, slots=True)
class EndList:
    """Write how the list ends."""

    well: bool


Move = RunTask | SendTasks | CloseGroup | StartGroup | EndList


def advance(plan: Plan, state: GroupState, progress: Progress) -> Move | None:
    """The next move after `progress` in a group; None: there is none, another task of it is running."""
    group = plan.groups[state.index]
    if state.state is State.CANCELLED:
        return None
    if state.state.is_final:
        failed = state.failed_before or state.state is State.FAILED
        if state.index + 1 < len(plan.groups):
            return StartGroup(state.index + 1, failed_before=failed)
        return EndList(well=not failed)
    match progress:
        case Started():
            if not group.tasks:
                return CloseGroup(well=True)
            if group.execution is Execution.SEQUENTIAL:
                return RunTask(state.starts_at)
            if not state.outstanding:
                return CloseGroup(well=not state.failed)
            return SendTasks(outstanding_positions(state.outstanding, len(group.tasks)))
        case TaskEnded() if group.execution is Execution.SEQUENTIAL:
            is_last = progress.position + 1 == len(group.tasks)
            if progress.well and not is_last:
                return RunTask(progress.position + 1)
            return CloseGroup(well=progress.well, stopped_at=None if progress.well else progress.position)
        case TaskEnded():
            return None if state.outstanding else CloseGroup(well=not state.failed)


def outstanding_positions(outstanding: frozenset[int], tasks: int) -> tuple[int, ...]:
    """The positions of the tasks that are outstanding; of a large group all of a chunk that has some."""
    if tasks <= CHUNK:
        return tuple(sorted(outstanding))
    return tuple(position for position in range(tasks) if position // CHUNK in outstanding)
