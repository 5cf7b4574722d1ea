"""Replaying by filter: all that has failed, page by page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from task_service.domain.errors import Conflict, NotFound
from task_service.domain.search import Found, ListSummary
from task_service.domain.task import Task
from task_service.usecases.replay import Replayer
from task_service.usecases.search import Question, Searcher

T = TypeVar("T", Task, ListSummary)


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """What had failed when it was found, and could not be replayed."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Replays(Generic[T]):
    """What replaying a page of what was found came to."""

    items: list[T]
    """What starts again."""
    skipped: list[Skipped]
    next: str | None
    """The place (`domain.listed`) down to which was looked; None: there is nothing beyond."""


@dataclass(kw_only=True, eq=False, repr=False)
class BulkReplayer:
    """Starts again what has failed and fits a filter.

    After Unavailable some of a page may have been replayed; they are not failed any more, so asking again goes on.
    """

    searcher: Searcher
    replayer: Replayer

    def tasks(self, question: Question) -> Replays[Task]:
        """Replay a page of failed tasks. Raises Unavailable."""
        return _replay(self.searcher.tasks(question), lambda failed: self.replayer.task(failed.id))

    def lists(self, question: Question) -> Replays[ListSummary]:
        """Replay a page of failed task lists. Raises Unavailable."""

        def replay(failed: ListSummary) -> ListSummary:
            return ListSummary.of(self.replayer.task_list(failed.id), has_started=True)

        return _replay(self.searcher.lists(question), replay)


def _replay(found: Found[T], replay: Callable[[T], T]) -> Replays[T]:
    items: list[T] = []
    skipped: list[Skipped] = []
    for failed in found.items:
        try:
            items.append(replay(failed))
        except (Conflict, NotFound) as refusal:
            # It has been replayed, or has gone, since it was found.
            skipped.append(Skipped(id=failed.id, reason=refusal.message))
    return Replays(items=items, skipped=skipped, next=found.next)
