"""Searching tasks and task lists in PostgreSQL, with one query a page.

Both tables have two indexes in the order of places, by state and by name and state. The query takes the newest of each
state that is asked for from the index, at most a page of each, and of these the newest. So a page costs the same
however many records there are, and however rare is what it looks for. The next page begins at the place where this one
stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from task_service.adapters.postgres.connection import Row
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.task_rows import SUMMARY, from_summary
from task_service.adapters.postgres.values import in_utc, is_possible, read_members
from task_service.domain.paging import id_of, milliseconds_of, sort_key
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task

T = TypeVar("T", Task, ListSummary)

# -- the conditions of a page, by name

IS_KEPT: Final = "record.expires_at > %(now)s"
"""Retention removes a record some time after its end."""

IS_OLDER: Final = (
    "(record.created_at, record.id) < (timestamptz 'epoch' + %(before)s * interval '1 millisecond', %(before_id)s)"
)
"""It comes after the last page's last record: those of one millisecond are in the order of their ids."""

IS_OF_ANY_NAME: Final = "record.replay >= 0"
"""It holds for every record, and is the condition of the index by state. So a page of one name cannot use that index:
PostgreSQL takes each name to be as frequent among the failed as among all, and would look through all of them for one
that never fails."""

IS_OF_NAME: Final = "record.name = %(name)s"
IS_SINCE: Final = "record.created_at >= %(since)s"
IS_UNTIL: Final = "record.created_at < %(until)s"


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresSearch:
    """Finds the tasks and the task lists of one database."""

    database: Database

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Up to `limit` tasks that are in no list, created before the place `before`, without body and result."""
        return self._find("tasks", SUMMARY, ["NOT record.in_list"], wanted, limit, before, now, from_summary)

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Up to `limit` task lists, created before the place `before`."""
        columns = "id, name, shown_state AS state, created_at, finished_at, context, cancelled_by, replayed_by"
        return self._find("lists", columns, [], wanted, limit, before, now, _read_list)

    def _find(
        self,
        table: str,
        columns: str,
        conditions: list[str],
        wanted: Filter,
        limit: int,
        before: str | None,
        now: datetime,
        read: Callable[[Row], T],
    ) -> Found[T]:
        if wanted.name is not None and not is_possible(wanted.name):
            return Found(items=[], next=None)
        values: dict[str, Any] = {
            "states": [state.value for state in State] if wanted.state is None else [wanted.state.value],
            "more": limit + 1,
            "now": now,
            "name": wanted.name,
        }
        conditions = [*conditions, IS_KEPT, IS_OF_ANY_NAME if wanted.name is None else IS_OF_NAME]
        if wanted.since is not None:
            conditions.append(IS_SINCE)
            values["since"] = in_utc(wanted.since)
        if wanted.until is not None:
            conditions.append(IS_UNTIL)
            values["until"] = in_utc(wanted.until)
        if before is not None:
            conditions.append(IS_OLDER)
            values |= {"before": milliseconds_of(before), "before_id": id_of(before).partition("\0")[0]}
        rows = self.database.rows(_page(table, columns, conditions), values)
        items = [read(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Found(items=items, next=sort_key(items[-1].created_at, items[-1].id) if more else None)


def _page(table: str, columns: str, conditions: list[str]) -> str:
    return f"""
        SELECT {columns}
        FROM unnest(%(states)s::text[]) AS wanted (value)
        CROSS JOIN LATERAL (
            SELECT * FROM task_service.{table} AS record
            WHERE record.shown_state = wanted.value AND {" AND ".join(conditions)}
            ORDER BY record.created_at DESC, record.id DESC
            LIMIT %(more)s
        ) AS newest
        ORDER BY created_at DESC, id DESC
        LIMIT %(more)s
    """


def _read_list(row: Row) -> ListSummary:
    return ListSummary(**read_members(row, row))
