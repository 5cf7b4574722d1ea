"""Searching tasks and task lists: the filter of a search, and a page of its results."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from task_service.domain.context import NO_CONTEXT, Context
from task_service.domain.task import State

if TYPE_CHECKING:
    from task_service.domain.task_list import TaskList

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """The conditions of a search; None in a field: any value."""

    name: str | None = None
    """Name of the template."""
    state: State | None = None
    """The state that clients are shown."""
    since: datetime | None = None
    """Created then or later."""
    until: datetime | None = None
    """Created before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSummary:
    """A task list without its groups."""

    id: str
    name: str
    state: State
    """The state that clients are shown."""
    created_at: datetime
    finished_at: datetime | None
    context: Context = NO_CONTEXT
    cancelled_by: str | None = None
    replayed_by: str | None = None
    """These three as in `TaskList`."""

    @classmethod
    def of(cls, task_list: "TaskList", *, has_started: bool) -> "ListSummary":
        """The summary of a list; `has_started`: whether any of its groups has started."""
        under_way = has_started and task_list.state is State.CREATED
        return cls(
            id=task_list.id,
            name=task_list.name,
            state=State.PENDING if under_way else task_list.state,
            created_at=task_list.created_at,
            finished_at=task_list.finished_at,
            context=task_list.context,
            cancelled_by=task_list.cancelled_by,
            replayed_by=task_list.replayed_by,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Found(Generic[T]):
    """A page of results, the newest first."""

    items: list[T]
    next: str | None
    """The sort key (`domain.paging`) at which the search stopped; None at the end of all records.

    A page can be short, or empty, and have a next one all the same."""
