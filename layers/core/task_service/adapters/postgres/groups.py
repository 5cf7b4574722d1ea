"""Groups of task lists as rows of the table `groups`.

A group has a row of its own, with `part` -1, and keeps the outstanding tasks; of a large group they are kept in further
rows, the chunks, and the group keeps the outstanding chunks. Tasks that end at the same time wait for each other only
within a chunk, and rewrite no more than its numbers.
"""

from typing import Final

from task_service.adapters.postgres.connection import Row
from task_service.adapters.postgres.values import read_body
from task_service.domain.task import State
from task_service.domain.task_list import GroupState

GROUP: Final = -1
"""The part of the group itself."""

COLUMNS: Final = (
    "index, state, outstanding, failed, failed_before, starts_at, stopped_at, replay, result, result_key, error"
)

IS_THE_PART: Final = "list_id = %(list_id)s AND index = %(index)s AND part = %(part)s"

IS_OPEN: Final = "state = 'pending' AND replay = %(replay)s"
"""How it ends has not been written yet in this replay; a later replay has not come to it."""

READ: Final = f"SELECT {COLUMNS} FROM task_service.groups WHERE {IS_THE_PART}"

# A part of an earlier replay is taken into this one. Its failed tasks are outstanding again; where the group had failed
# it is opened, and a sequential one goes on with the task at which it stopped.
START: Final = f"""
    INSERT INTO task_service.groups AS known
        (list_id, index, part, state, outstanding, failed_before, replay, expires_at)
    VALUES
        (%(list_id)s, %(index)s, %(part)s, 'pending', %(outstanding)s::integer[], %(failed_before)s, %(replay)s,
         %(expires_at)s)
    ON CONFLICT (list_id, index, part) DO UPDATE SET
        replay = EXCLUDED.replay,
        failed_before = EXCLUDED.failed_before,
        outstanding = CASE WHEN known.failed = '{{}}' THEN known.outstanding ELSE known.failed END,
        failed = '{{}}',
        state = CASE known.state WHEN 'failed' THEN 'pending' ELSE known.state END,
        starts_at = CASE known.state WHEN 'failed' THEN COALESCE(known.stopped_at, known.starts_at)
            ELSE known.starts_at END,
        stopped_at = CASE known.state WHEN 'failed' THEN NULL ELSE known.stopped_at END,
        result = CASE known.state WHEN 'failed' THEN NULL ELSE known.result END,
        result_key = CASE known.state WHEN 'failed' THEN NULL ELSE known.result_key END,
        error = CASE known.state WHEN 'failed' THEN NULL ELSE known.error END
    WHERE known.replay < EXCLUDED.replay
    RETURNING {COLUMNS}
"""

TAKE_OFF: Final = f"""
    UPDATE task_service.groups SET
        outstanding = array_remove(outstanding, %(number)s),
        failed = CASE WHEN %(well)s OR %(number)s = ANY (failed) THEN failed ELSE failed || %(number)s END
    WHERE {IS_THE_PART} AND replay = %(replay)s
    RETURNING {COLUMNS}
"""

CLOSE: Final = f"""
    UPDATE task_service.groups SET
        state = %(state)s, stopped_at = %(stopped_at)s, result = %(result)s, result_key = %(result_key)s,
        error = %(error)s
    WHERE {IS_THE_PART} AND {IS_OPEN}
    RETURNING {COLUMNS}
"""

# One that failed before this replay has not ended in it; one that a later replay has opened stays open.
CANCEL: Final = f"""
    INSERT INTO task_service.groups AS known
        (list_id, index, part, state, outstanding, failed_before, replay, expires_at)
    VALUES
        (%(list_id)s, %(index)s, %(part)s, 'cancelled', '{{}}', false, %(replay)s, %(expires_at)s)
    ON CONFLICT (list_id, index, part) DO UPDATE SET state = 'cancelled', replay = EXCLUDED.replay
    WHERE (known.state = 'pending' AND known.replay <= EXCLUDED.replay)
        OR (known.state = 'failed' AND known.replay < EXCLUDED.replay)
    RETURNING {COLUMNS}
"""

ALL: Final = f"SELECT part, {COLUMNS} FROM task_service.groups WHERE list_id = %(list_id)s"


def from_row(row: Row) -> GroupState:
    """The group, or the chunk, of a row."""
    return GroupState(
        index=row["index"],
        state=State(row["state"]),
        outstanding=frozenset(row["outstanding"]),
        failed=frozenset(row["failed"]),
        failed_before=row["failed_before"],
        starts_at=row["starts_at"],
        stopped_at=row["stopped_at"],
        replay=row["replay"],
        result=read_body(row, "result"),
        error=row["error"],
    )
