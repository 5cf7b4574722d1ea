"""The search in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from task_service.domain.paging import sort_key
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task, place_of
from task_service.domain.task_list import TaskList
from task_service.testing.task_lists import InMemoryLists

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[T]):
    """A record as a search sees it."""

    name: str
    state: State
    created_at: datetime
    expires_at: datetime
    record: T


@dataclass
class InMemorySearch:
    """The search of a table, over its tasks and lists."""

    records: InMemoryLists
    looks: int = 10_000
    """So many records are looked at for one page."""
    before_reading: Callable[[], object] = lambda: None
    """Happens between finding records and reading them."""

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Up to `limit` tasks that are in no list."""
        return self._find(self._tasks, wanted, limit, before, now)

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Up to `limit` task lists."""
        return self._find(self._lists, wanted, limit, before, now)

    def _find(
        self,
        read: Callable[[], dict[str, Entry[T]]],
        wanted: Filter,
        limit: int,
        before: str | None,
        now: datetime,
    ) -> Found[T]:
        places = sorted((place for place in read() if before is None or place < before), reverse=True)
        self.before_reading()
        entries = read()
        items: list[T] = []
        for number, place in enumerate(places, start=1):
            entry = entries.get(place)
            if entry is not None and entry.expires_at > now and _is_wanted(entry, wanted):
                items.append(entry.record)
            if (len(items) == limit or number == self.looks) and number < len(places):
                return Found(items=items, next=place)
        return Found(items=items, next=None)

    def _tasks(self) -> dict[str, Entry[Task]]:
        return {
            sort_key(task.created_at, task.id): Entry(
                name=task.name,
                state=task.shown_state,
                created_at=task.created_at,
                expires_at=task.expires_at,
                record=task,
            )
            for task in self.records.tasks.records.values()
            if place_of(task.id) is None
        }

    def _lists(self) -> dict[str, Entry[ListSummary]]:
        return {
            sort_key(task_list.created_at, task_list.id): self._list_entry(task_list)
            for task_list in self.records.lists.values()
        }

    def _list_entry(self, task_list: TaskList) -> Entry[ListSummary]:
        has_started = any(list_id == task_list.id for list_id, _ in self.records.groups)
        summary = ListSummary.of(task_list, has_started=has_started)
        return Entry(
            name=summary.name,
            state=summary.state,
            created_at=summary.created_at,
            expires_at=task_list.expires_at,
            record=summary,
        )


def _is_wanted(entry: Entry[T], wanted: Filter) -> bool:
    since, until = wanted.since, wanted.until
    return (
        wanted.name in (None, entry.name)
        and wanted.state in (None, entry.state)
        and (since is None or entry.created_at >= since)
        and (until is None or entry.created_at < until)
    )
