"""The search in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from task_service.domain.paging import sort_key
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task, place_of
from task_service.ports import Search
from task_service.testing.task_lists import InMemoryLists

T = TypeVar("T", Task, ListSummary)


class Entry(NamedTuple, Generic[T]):
    """A record as a search sees it."""

    record: T
    state: State
    expires_at: datetime


@dataclass
class InMemorySearch(Search):
    """The search of a table, over its tasks and lists."""

    records: InMemoryLists
    looks: int = 10_000
    """So many records are looked at for one page."""
    before_reading: Callable[[], object] = lambda: None
    """Happens between finding records and reading them."""

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        return self._find(self._tasks, wanted, limit, before, now)

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
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
            sort_key(task.created_at, task.id): Entry(task, task.shown_state, task.expires_at)
            for task in self.records.tasks.records.values()
            if place_of(task.id) is None
        }

    def _lists(self) -> dict[str, Entry[ListSummary]]:
        started = {list_id for list_id, _ in self.records.groups}
        entries: dict[str, Entry[ListSummary]] = {}
        for task_list in self.records.lists.values():
            summary = ListSummary.of(task_list, has_started=task_list.id in started)
            entries[sort_key(summary.created_at, summary.id)] = Entry(summary, summary.state, task_list.expires_at)
        return entries


def _is_wanted(entry: Entry[T], wanted: Filter) -> bool:
    since, until, created_at = wanted.since, wanted.until, entry.record.created_at
    return (
        wanted.name in (None, entry.record.name)
        and wanted.state in (None, entry.state)
        and (since is None or created_at >= since)
        and (until is None or created_at < until)
    )
