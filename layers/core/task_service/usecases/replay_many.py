"""Replaying by filter: all tasks or lists that have failed, page by page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from task_service.domain.errors import Conflict, NotFound, Unavailable
from task_service.domain.paging import PageRequest
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task
from task_service.domain.trace import work_in
from task_service.usecases.replay import Replayer
from task_service.usecases.search import Searcher

T = TypeVar("T", Task, ListSummary)


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A task or list that was found as failed, and could not be replayed."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Replays(Generic[T]):
    """The result of replaying a page."""

    items: list[T]
    """Those that start again."""
    skipped: list[Skipped]
    next: str | None
    """The sort key (`domain.paging`) at which the search stopped; None at the end of all records."""
    failure: Unavailable | None = None
    """Why the rest of the page was not tried; None: all of it was."""


@dataclass(kw_only=True, eq=False, repr=False)
class BulkReplayer:
    """Replays the failed tasks or lists that match a filter.

    If table or queue stop to answer, some of a page have been replayed. They have not failed any more, so the client
    repeats the request to replay the others.
    """

    searcher: Searcher
    replayer: Replayer

    def tasks(self, wanted: Filter, page: PageRequest, *, by: str | None = None) -> Replays[Task]:
        """Replay a page of failed tasks. Raises Unavailable if none can be searched for."""
        found = self.searcher.tasks(replace(wanted, state=State.FAILED), page)
        return _replay(found, lambda failed: self.replayer.task(failed.id, by=by))

    def lists(self, wanted: Filter, page: PageRequest, *, by: str | None = None) -> Replays[ListSummary]:
        """Replay a page of failed task lists. Raises Unavailable if none can be searched for."""

        def replay(failed: ListSummary) -> ListSummary:
            return ListSummary.of(self.replayer.task_list(failed.id, by=by), has_started=True)

        return _replay(self.searcher.lists(replace(wanted, state=State.FAILED), page), replay)


def _replay(found: Found[T], replay: Callable[[T], T]) -> Replays[T]:
    items: list[T] = []
    skipped: list[Skipped] = []
    failure: Unavailable | None = None
    for failed in found.items:
        try:
            items.append(replay(failed))
        except (Conflict, NotFound) as refusal:
            # Another client has replayed it since the search found it, or its retention has ended.
            skipped.append(Skipped(id=failed.id, reason=refusal.message))
        except Unavailable as reason:
            failure = reason
            break
    # What follows is about all of them.
    work_in(None)
    return Replays(items=items, skipped=skipped, next=found.next, failure=failure)
