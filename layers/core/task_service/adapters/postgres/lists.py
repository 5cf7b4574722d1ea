"""Task lists in PostgreSQL: the list itself, its groups (`groups`), and the tasks that have been started (`tasks`).

Every write that advances a list is one statement whose condition is the list's replay and state. The tasks of a list
are found by their ids: those of a group are next to each other, between `list.group.` and `list.group/`, the character
after the dot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from task_service.adapters.postgres import groups
from task_service.adapters.postgres.connection import Row
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.values import (
    body_values,
    is_possible,
    member_values,
    read_body,
    read_members,
    storable,
)
from task_service.domain.task import Body, State, place_of
from task_service.domain.task_list import CHUNK, GroupState, ListRecords, TaskList, chunks_of

_MEMBERS: Final = (
    *("id", "name", "cache_namespace", "cache_scope", "state", "replay", "created_at", "expires_at", "not_before"),
    *("finished_at", "context", "cancelled_by", "replayed_by", "queue_group"),
)
COLUMNS: Final = ", ".join((*_MEMBERS, "plan", "plan_key", "request", "request_key"))
PARAMETERS: Final = ", ".join(f"%({name})s" for name in COLUMNS.split(", "))

IS_OPEN: Final = "state = 'created' AND replay = %(replay)s"
"""How it ends has not been written yet, and no later replay has begun."""

PAGE: Final = 100
"""So many results are read at once; each is small, or only a key."""


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresTaskLists:
    """The task lists of one database."""

    database: Database

    ADD = f"INSERT INTO task_service.lists ({COLUMNS}) VALUES ({PARAMETERS}) ON CONFLICT (id) DO NOTHING RETURNING id"

    def add(self, task_list: TaskList) -> TaskList | None:
        """Write a list unless there is one of its id, which is returned; None: it is new, and durable."""
        while not self.database.rows(self.ADD, _to_values(task_list)):
            # A list that is removed between the two statements is written by the next round.
            present = self.get(task_list.id)
            if present is not None:
                return present
        return None

    REMOVE = "DELETE FROM task_service.lists WHERE id = %(id)s"

    def remove(self, list_id: str) -> None:
        """Remove a list whose id no client was told."""
        self.database.rows(self.REMOVE, {"id": list_id})

    GET = f"SELECT {COLUMNS} FROM task_service.lists WHERE id = %(id)s"

    def get(self, list_id: str) -> TaskList | None:
        """The list."""
        row = self.database.row(self.GET, {"id": list_id}) if is_possible(list_id) else None
        return _from_row(row) if row else None

    # The state that clients see changes with the first group; later ones find that written.
    HAS_STARTED = "UPDATE task_service.lists SET has_started = true WHERE id = %(list_id)s AND NOT has_started"

    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        """Write a group's record, with `parallel` outstanding tasks; the one that is there, where there is one."""
        chunks = chunks_of(parallel)
        parts = range(len(chunks) or parallel)
        with self.database.unit_of_work():
            for chunk, positions in enumerate(chunks):
                self._start_part(task_list, index, chunk, positions, failed_before=False)
            group = self._start_part(task_list, index, groups.GROUP, parts, failed_before=failed_before)
            self.database.rows(self.HAS_STARTED, {"list_id": task_list.id})
        return group

    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are.

        It waits for the disk: a worker deletes the task's message afterwards, from a server that may have been started
        again in between.
        """
        number = position
        if parallel > CHUNK:
            number = position // CHUNK
            chunk = self._take_off(task_list, index, number, position, well=well)
            if chunk.outstanding:
                return None
            well = not chunk.failed
        return self._take_off(task_list, index, groups.GROUP, number, well=well)

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
        """Write how a group ends, unless that is written; returns what is written then."""
        values = {
            "state": (State.DONE if well else State.FAILED).value,
            "stopped_at": stopped_at,
            **body_values("result", result),
            "error": storable(error) if error is not None else None,
        }
        return self._change_group(groups.CLOSE, {**_part(task_list, index, groups.GROUP), **values})

    END = f"UPDATE task_service.lists SET state = %(state)s, finished_at = %(now)s WHERE id = %(id)s AND {IS_OPEN}"

    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        """Write how a list ends, unless that is written."""
        state = (State.DONE if well else State.FAILED).value
        self.database.rows(self.END, {"id": task_list.id, "replay": task_list.replay, "state": state, "now": now})

    CANCEL = f"""
        UPDATE task_service.lists SET state = 'cancelled', finished_at = %(now)s, cancelled_by = %(by)s
        WHERE id = %(id)s AND {IS_OPEN}
        RETURNING {COLUMNS}
    """

    def cancel(self, task_list: TaskList, *, now: datetime, by: str | None = None) -> TaskList | None:
        """Write that a list is cancelled, unless it has ended; returns what is written then."""
        return self._change(task_list.id, self.CANCEL, {"replay": task_list.replay, "now": now, "by": by})

    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        """Close a group as cancelled, started or not, unless it has ended; returns what is written then."""
        values = {**_part(task_list, index, groups.GROUP), "expires_at": task_list.expires_at}
        return self._change_group(groups.CANCEL, values)

    REPLAY = f"""
        UPDATE task_service.lists
        SET state = 'created', replay = %(replay)s, finished_at = NULL, replayed_by = %(by)s
        WHERE id = %(id)s AND state = 'failed' AND replay < %(replay)s
        RETURNING {COLUMNS}
    """

    def replay(self, list_id: str, *, number: int, by: str | None = None) -> TaskList | None:
        """Open a failed list for that replay, unless that was done before; returns what is written then."""
        return self._change(list_id, self.REPLAY, {"replay": number, "by": by})

    def records(self, list_id: str) -> ListRecords | None:
        """What a list's status is made of."""
        task_list = self.get(list_id)
        if task_list is None:
            return None
        started: dict[int, GroupState] = {}
        failed: dict[int, frozenset[int]] = {}
        chunks: dict[int, frozenset[int]] = {}
        for row in self.database.rows(groups.ALL, {"list_id": list_id}):
            part = groups.from_row(row)
            if row["part"] == groups.GROUP:
                started[part.index] = part
                failed[part.index] = part.failed
            else:
                chunks[part.index] = chunks.get(part.index, frozenset()) | part.failed
        open_groups = [group.index for group in started.values() if group.state not in (State.DONE, State.FAILED)]
        tasks = {place: state for index in open_groups for place, state in self._tasks_under_way(task_list, index)}
        return ListRecords(task_list=task_list, groups=started, tasks=tasks, failed=failed | chunks)

    IS_OF_GROUP = "id > %(first)s AND id < %(beyond)s"

    TASKS = f"SELECT id, state, shown_state, replay FROM task_service.tasks WHERE {IS_OF_GROUP}"

    def _tasks_under_way(self, task_list: TaskList, index: int) -> Iterator[tuple[tuple[int, int], State]]:
        for row in self.database.rows(self.TASKS, _group_range(task_list.id, index)):
            place = place_of(row["id"])
            if place is not None:
                waits = task_list.will_replay(State(row["state"]), row["replay"])
                yield (index, place.position), State.CREATED if waits else State(row["shown_state"])

    RESULTS = f"""
        SELECT position, result, result_key
        FROM (
            SELECT split_part(id, '.', 3)::integer AS position, result, result_key FROM task_service.tasks
            WHERE {IS_OF_GROUP} AND (result IS NOT NULL OR result_key IS NOT NULL)
        ) AS done
        WHERE position > %(after)s ORDER BY position LIMIT {PAGE}
    """

    def results(self, list_id: str, index: int) -> Iterator[Body]:
        """The results of a group's tasks that are done, in order, read as they are asked for."""
        after = -1
        while rows := self.database.rows(self.RESULTS, {**_group_range(list_id, index), "after": after}):
            for row in rows:
                body = read_body(row, "result")
                assert body is not None
                yield body
            after = rows[-1]["position"]

    def _start_part(
        self, task_list: TaskList, index: int, part: int, outstanding: range, *, failed_before: bool
    ) -> GroupState:
        values = {
            **_part(task_list, index, part),
            "outstanding": list(outstanding),
            "failed_before": failed_before,
            "expires_at": task_list.expires_at,
        }
        return self._change_group(groups.START, values)

    def _take_off(self, task_list: TaskList, index: int, part: int, number: int, *, well: bool) -> GroupState:
        values = {**_part(task_list, index, part), "number": number, "well": well}
        return self._change_group(groups.TAKE_OFF, values)

    def _change_group(self, statement: str, values: dict[str, Any]) -> GroupState:
        """The group as it is then, changed or not. Raises LookupError for one that has not been started."""
        row = self.database.row(statement, values) or self.database.row(groups.READ, values)
        if row is None:
            raise LookupError(f"list {values['list_id']} has no record of group {values['index']}")
        return groups.from_row(row)

    def _change(self, list_id: str, statement: str, values: dict[str, Any]) -> TaskList | None:
        """The list as it is then, changed or not."""
        row = self.database.row(statement, {**values, "id": list_id})
        return _from_row(row) if row else self.get(list_id)


def _part(task_list: TaskList, index: int, part: int) -> dict[str, Any]:
    return {"list_id": task_list.id, "index": index, "part": part, "replay": task_list.replay}


def _group_range(list_id: str, index: int) -> dict[str, str]:
    return {"first": f"{list_id}.{index}.", "beyond": f"{list_id}.{index}/"}


def _to_values(task_list: TaskList) -> dict[str, Any]:
    return {
        **member_values(task_list, _MEMBERS),
        **body_values("plan", task_list.plan),
        **body_values("request", task_list.request),
    }


def _from_row(row: Row) -> TaskList:
    plan, request = read_body(row, "plan"), read_body(row, "request")
    assert plan is not None and request is not None
    return TaskList(**read_members(row, _MEMBERS), plan=plan, request=request)
