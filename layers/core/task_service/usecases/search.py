"""Searching tasks and task lists, page by page."""

from dataclasses import dataclass

from task_service.domain.paging import PageRequest
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import Task
from task_service.ports import Clock, Search


@dataclass(kw_only=True, eq=False, repr=False)
class Searcher:
    """Finds tasks and task lists, the newest first; the key of a page is a sort key (`domain.paging`)."""

    records: Search
    clock: Clock

    def tasks(self, wanted: Filter, page: PageRequest) -> Found[Task]:
        """Find a page of tasks that are in no list."""
        return self.records.tasks(wanted, limit=page.limit, before=page.after, now=self.clock())

    def lists(self, wanted: Filter, page: PageRequest) -> Found[ListSummary]:
        """Find a page of task lists."""
        return self.records.lists(wanted, limit=page.limit, before=page.after, now=self.clock())
