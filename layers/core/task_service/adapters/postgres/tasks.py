"""Tasks in PostgreSQL.

             claim                       finish | retry
    ──┬────────┬───────────────┬───────────┬──────────┬──►  time
      │ created, attempt = n   │  pending, lease in   │
      │                        │  the future          │
      └─ no executor works     └─ its holder does     └─ pending, lease in the past: the holder has crashed
         on it

Every change is one UPDATE whose WHERE names what it has seen. Of two that see the same, the second waits for the first,
looks at the row again, and finds that its condition does not hold any more. The claim after a crash and the replay read
the row first, because they write what they have seen of it into its history. `now` and `lease_until` are times of the
database (`clock`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import check_schema
from task_service.adapters.postgres.task_rows import COLUMNS, PARAMETERS, from_row, to_values
from task_service.adapters.postgres.values import body_values, is_possible, storable
from task_service.domain.history import to_text
from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Decision, Done, Failed, Retry
from task_service.domain.task import Body, State, Task
from task_service.ports import Claim

# -- the conditions of changes, by name

ATTEMPT_IS_DUE: Final = "tasks.state = 'created' AND tasks.attempt = %(due_attempt)s AND tasks.replay = %(due_replay)s"
"""The message is that of the attempt that waits; a message of an earlier attempt or replay starts nothing."""

HOLDER_HAS_CRASHED: Final = "tasks.state = 'pending' AND tasks.lease_until < %(now)s"
"""Its executor has neither ended it nor given it back while it was allowed to work on it."""

HOLDER_IS_AS_SEEN: Final = "tasks.holder = %(seen_holder)s"
"""No other executor has taken it over: that would be another attempt to write down."""

LEASE_IS_OURS: Final = "tasks.state = 'pending' AND tasks.holder = %(holder)s"
"""No other executor has taken it over, and no client has cancelled it."""

IS_THE_ATTEMPT: Final = "tasks.attempt = %(due_attempt)s AND tasks.replay = %(due_replay)s"
"""The dead letter is that of the attempt that was started."""

HAS_NOT_ENDED: Final = "tasks.state IN ('created', 'pending')"

END_IS_AS_SEEN: Final = "tasks.state = 'failed' AND tasks.replay = %(seen_replay)s"
"""What the history says of its end still holds, and no other executor has opened it for a replay."""

WAITS_FOR_REPLAY: Final = "tasks.state = 'failed' AND tasks.replay < %(running_replay)s"
"""It failed before the running replay, which has not come to it yet: so it has not ended."""

# -- what changes

TAKE_LEASE: Final = """
    state = 'pending', lease_until = %(lease_until)s, holder = %(holder)s,
    started_at = COALESCE(tasks.started_at, %(now)s), attempt_started_at = %(attempt_started_at)s, not_before = NULL
"""

# Its holder is taken out, so the executor that works on it finds that it has lost its lease.
CANCEL_IT: Final = """
    state = 'cancelled', error = %(error)s, finished_at = %(now)s, lease_until = NULL, holder = NULL,
    cancelled_by = %(cancelled_by)s
"""

_INSERT: Final = f"INSERT INTO task_service.tasks ({COLUMNS}, in_list) VALUES ({PARAMETERS}, %(in_list)s)"


# What an earlier attempt has seen of the target does not stay.
SEEN: Final = "response_code = %(response_code)s, redirects = %(redirects)s, final_origin = %(final_origin)s"


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresTasks:
    """The tasks of one database."""

    database: Database

    def add(self, task: Task) -> Task | None:
        """Write a task unless there is one of its id, which is returned; None: it is new, and durable."""
        # Most columns of a new task are empty.
        values = {name: value for name, value in to_values(task).items() if value is not None}
        parameters = ", ".join(f"%({name})s" for name in values)
        statement = f"""
            INSERT INTO task_service.tasks ({", ".join(values)}) VALUES ({parameters})
            ON CONFLICT (id) DO NOTHING RETURNING id
        """
        while not self.database.rows(statement, values):
            # A task that is removed between the two statements is written by the next round.
            present = self.get(task.id)
            if present is not None:
                return present
        return None

    def add_all(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Write tasks with new ids, in one statement; none is left out."""
        if tasks:
            rows = [to_values(task) for task in tasks]
            statement = f"""
                INSERT INTO task_service.tasks ({COLUMNS}, in_list)
                VALUES {", ".join(f"({_numbered(number)})" for number in range(len(rows)))}
                ON CONFLICT (id) DO NOTHING
            """
            values = {f"{name}_{number}": value for number, row in enumerate(rows) for name, value in row.items()}
            self.database.rows(statement, values)
        return ()

    REMOVE = "DELETE FROM task_service.tasks WHERE id = %(id)s"

    def remove(self, task_id: str) -> None:
        """Remove a task whose id no client was told."""
        self.database.rows(self.REMOVE, {"id": task_id})

    GET = f"SELECT {COLUMNS} FROM task_service.tasks WHERE id = %(id)s"

    def get(self, task_id: str) -> Task | None:
        """The task."""
        row = self.database.row(self.GET, {"id": task_id}) if is_possible(task_id) else None
        return from_row(row) if row else None

    def ping(self) -> None:
        """Return where the table answers and has the form that this release needs."""
        check_schema(self.database)

    CLAIM = f"""
        UPDATE task_service.tasks SET {TAKE_LEASE}
        WHERE id = %(id)s AND {ATTEMPT_IS_DUE}
        RETURNING {COLUMNS}
    """
    # A list's task has no record before it is first claimed; one that has is claimed like any other.
    CLAIM_BIRTH = f"""
        {_INSERT}
        ON CONFLICT (id) DO UPDATE SET {TAKE_LEASE} WHERE {ATTEMPT_IS_DUE}
        RETURNING {COLUMNS}
    """
    TAKE_OVER = f"""
        UPDATE task_service.tasks SET {TAKE_LEASE}, history = %(history)s
        WHERE id = %(id)s AND {HOLDER_HAS_CRASHED} AND {HOLDER_IS_AS_SEEN}
        RETURNING {COLUMNS}
    """

    def claim(
        self, message: TaskMessage, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        """Take the lease, if the message's attempt is due or the lease of a crashed holder has ended."""
        lease = {"now": now, "lease_until": lease_until, "holder": holder, "attempt_started_at": now}
        # A task whose first attempt ends well has one start.
        values = {**lease, "attempt_started_at": None if message.attempt == 1 else now, **_due(message)}
        # Only a first attempt starts without a record.
        if birth is not None and message.attempt == birth.attempt:
            started = replace(birth, state=State.PENDING, lease_until=lease_until, holder=holder, started_at=now)
            claim = self._change(message.task_id, self.CLAIM_BIRTH, {**to_values(started), **values})
        else:
            claim = self._change(message.task_id, self.CLAIM, values)
        seen = claim.task
        if not claim.won and seen is not None and seen.lease_has_ended(now):
            history = to_text(seen.history_after_crash())
            claim = self._change(seen.id, self.TAKE_OVER, {**lease, "seen_holder": seen.holder, "history": history})
        # A claim whose answer got lost on the way is repeated, and then meets itself.
        met_itself = claim.task is not None and claim.task.state is State.PENDING and claim.task.holder == holder
        return replace(claim, won=claim.won or met_itself)

    FINISH = f"""
        UPDATE task_service.tasks
        SET state = %(state)s, finished_at = %(now)s, lease_until = NULL, error = %(error)s, {SEEN},
            result = COALESCE(%(result)s, result), result_key = COALESCE(%(result_key)s, result_key)
        WHERE id = %(id)s AND {LEASE_IS_OURS}
        RETURNING id
    """

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        """End a claimed task. False: the lease was lost, the task is no longer ours."""
        return self._change_claimed(
            task,
            self.FINISH,
            {
                "state": (State.DONE if isinstance(end, Done) else State.FAILED).value,
                "now": now,
                "error": storable(end.error) if isinstance(end, Failed) else None,
                **_seen(end),
                **body_values("result", result),
            },
        )

    RETRY = f"""
        UPDATE task_service.tasks
        SET state = 'created', attempt = %(next)s, not_before = %(not_before)s, lease_until = NULL,
            error = %(error)s, history = %(history)s, {SEEN}
        WHERE id = %(id)s AND {LEASE_IS_OURS}
        RETURNING id
    """

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        """Give a claimed task back for its next attempt. False: the lease was lost."""
        return self._change_claimed(
            task,
            self.RETRY,
            {
                "next": task.attempt + 1,
                "not_before": not_before,
                "error": storable(decision.error),
                "history": to_text(
                    task.history_after_retry(
                        finished_at=not_before - decision.delay,
                        response_code=decision.response_code,
                        error=decision.error,
                    )
                ),
                **_seen(decision),
            },
        )

    ABANDON = f"""
        UPDATE task_service.tasks
        SET state = 'failed', error = %(error)s, finished_at = %(now)s, lease_until = NULL, holder = NULL
        WHERE id = %(id)s AND {HOLDER_HAS_CRASHED} AND {IS_THE_ATTEMPT}
        RETURNING {COLUMNS}
    """

    def abandon(self, message: TaskMessage, *, error: str, now: datetime) -> Claim:
        """Fail a task whose current attempt is the message's, if the lease of its executor has ended."""
        return self._change(message.task_id, self.ABANDON, {"error": error, "now": now, **_due(message)})

    CANCEL = f"""
        UPDATE task_service.tasks SET {CANCEL_IT}
        WHERE id = %(id)s AND {HAS_NOT_ENDED}
        RETURNING {COLUMNS}
    """
    CANCEL_BIRTH = f"""
        {_INSERT}
        ON CONFLICT (id) DO UPDATE SET {CANCEL_IT} WHERE {HAS_NOT_ENDED} OR ({WAITS_FOR_REPLAY})
        RETURNING {COLUMNS}
    """

    def cancel(
        self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None, by: str | None = None
    ) -> Claim:
        """Cancel a task that has not ended; an executor that works on it loses its lease."""
        values = {"error": reason, "now": now, "cancelled_by": by}
        if birth is None:
            return self._change(task_id, self.CANCEL, values)
        ended = replace(birth, state=State.CANCELLED, error=reason, finished_at=now)
        return self._change(task_id, self.CANCEL_BIRTH, {**to_values(ended), **values, "running_replay": birth.replay})

    REPLAY = f"""
        UPDATE task_service.tasks
        SET state = 'created', attempt = 1, replay = %(running_replay)s, started_at = NULL, attempt_started_at = NULL,
            finished_at = NULL, not_before = NULL, response_code = NULL, redirects = 0, final_origin = NULL,
            error = NULL, history = %(history)s, replayed_by = %(replayed_by)s
        WHERE id = %(id)s AND {END_IS_AS_SEEN}
        RETURNING {COLUMNS}
    """

    def replay(self, task_id: str, *, number: int, by: str | None = None) -> Claim:
        """Give a failed task back for the first attempt of that replay, unless that was done before."""
        task = self.get(task_id)
        if task is None or not task.waits_for_replay(number):
            return Claim(won=False, task=task)
        values = {
            "running_replay": number,
            "seen_replay": task.replay,
            "history": to_text(task.history),
            "replayed_by": by,
        }
        return self._change(task_id, self.REPLAY, values)

    def _change(self, task_id: str, statement: str, values: Mapping[str, Any]) -> Claim:
        """The task as it is then, changed or not."""
        row = self.database.row(statement, {**values, "id": task_id}) if is_possible(task_id) else None
        return Claim(won=True, task=from_row(row)) if row else Claim(won=False, task=self.get(task_id))

    HOLDER = "SELECT state, holder FROM task_service.tasks WHERE id = %(id)s"

    def _change_claimed(self, task: Task, statement: str, values: Mapping[str, Any]) -> bool:
        if self.database.rows(statement, {**values, "id": task.id, "holder": task.holder}):
            return True
        # The holder stays in the record until the next claim, so a write that is repeated because its answer got lost
        # recognises itself, and what has to follow it does follow.
        seen = self.database.row(self.HOLDER, {"id": task.id})
        return seen is not None and seen["state"] != State.PENDING and seen["holder"] == task.holder


def _numbered(number: int) -> str:
    """The parameters of the row of that number."""
    return ", ".join(f"%({name}_{number})s" for name in (*COLUMNS.split(", "), "in_list"))


def _due(message: TaskMessage) -> dict[str, int]:
    return {"due_attempt": message.attempt, "due_replay": message.replay}


def _seen(decision: Decision) -> dict[str, Any]:
    return {
        "response_code": decision.response_code,
        "redirects": decision.redirects,
        "final_origin": decision.final_origin,
    }
