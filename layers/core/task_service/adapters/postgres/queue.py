"""Sending messages through PGMQ (https://github.com/pgmq/pgmq); `queue_reader` receives them.

A body is kept as a JSON string, so it arrives as it was sent, byte for byte. PGMQ's own notifications are not used:
they lock one row a queue until the transaction is durable, or leave messages out for a while (`notifications`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.notifications import Notifier
from task_service.adapters.postgres.values import storable
from task_service.domain.messages import QueueMessage, Received, TaskMessage, to_text

TASKS: Final = "task_service_tasks"
DEAD_LETTERS: Final = "task_service_dead_letters"
UNREADABLE: Final = "task_service_unreadable"
EVENTS: Final = "task_service_events"
DEAD_EVENTS: Final = "task_service_dead_events"

GROUP: Final = "x-pgmq-group"
"""PGMQ's name for the header with a message's group."""


def table_of(queue: str) -> str:
    """The table in which PGMQ keeps a queue."""
    return f"pgmq.q_{queue}"


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresTaskQueue:
    """The task queue. It delays a message for as long as it is asked to."""

    database: Database
    notifier: Notifier
    name: str = TASKS

    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        """Put a message into the queue, to be delivered at `due_at`; durable on return, or with the unit of work."""
        # As pgmq.send does it, but planned and executed in half the time.
        statement = f"""
            INSERT INTO {table_of(self.name)} (vt, message, headers)
            VALUES (
                COALESCE(%(due_at)s::timestamptz, clock_timestamp()), to_jsonb(%(body)s::text),
                jsonb_build_object(%(of_group)s, NULLIF(%(group)s, ''))
            )
        """
        values = {"body": to_text(message), "due_at": due_at, "of_group": GROUP, "group": message.queue_group}
        self.database.write(statement, values)
        self._notify()

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Put messages into the queue, to be delivered at once; all are durable on return."""
        self._send_many(messages, [None] * len(messages))

    def send_each(self, messages: Sequence[TaskMessage]) -> Sequence[TaskMessage]:
        """Put messages into the queue, each to be delivered at its own time; none is left out."""
        self._send_many(messages, [message.not_before for message in messages])
        return ()

    def ping(self) -> None:
        """Return where the queue answers."""
        self.database.rows(f"SELECT 1 FROM {table_of(self.name)} LIMIT 1")

    def postpone(self, receipt: str, *, until: datetime) -> None:
        """Hide a received message, which will not be deleted, until then, if it has not been received again since."""
        message_id, receives = read_receipt(receipt)
        self.database.rows(
            f"UPDATE {table_of(self.name)} SET vt = %(until)s WHERE msg_id = %(id)s AND read_ct = %(receives)s",
            {"until": until, "id": message_id, "receives": receives},
        )

    def give_back(self, received: Sequence[Received]) -> None:
        """Put received messages back as new ones, and delete the received ones; both or neither.

        A message that has been received again since stays, and no new one is sent for it.
        """
        receipts = [read_receipt(one.receipt) for one in received]
        statement = f"""
            WITH
            given AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(receives)s::integer[], %(bodies)s::text[])
                    AS given (id, receives, body)
            ),
            gone AS (
                DELETE FROM {table_of(self.name)} AS message USING given
                WHERE message.msg_id = given.id AND message.read_ct = given.receives
                RETURNING given.body, message.headers
            )
            INSERT INTO {table_of(self.name)} (vt, message, headers)
            SELECT clock_timestamp(), to_jsonb(body), headers FROM gone
        """
        values = {
            "ids": [message_id for message_id, _ in receipts],
            "receives": [receives for _, receives in receipts],
            "bodies": [to_text(one.message) for one in received],
        }
        self.database.rows(statement, values)
        self._notify()

    def _send_many(self, messages: Sequence[TaskMessage], due_at: list[datetime | None]) -> None:
        """Put messages into the queue in one transaction."""
        if not messages:
            return
        statement = f"""
            INSERT INTO {table_of(self.name)} (vt, message, headers)
            SELECT COALESCE(due_at, clock_timestamp()), to_jsonb(body),
                jsonb_build_object(%(of_group)s, NULLIF(group_name, ''))
            FROM unnest(%(bodies)s::text[], %(due_at)s::timestamptz[], %(groups)s::text[])
                AS given (body, due_at, group_name)
        """
        values = {
            "bodies": [to_text(message) for message in messages],
            "due_at": due_at,
            "of_group": GROUP,
            "groups": [message.queue_group for message in messages],
        }
        self.database.rows(statement, values)
        self._notify()

    def _notify(self) -> None:
        self.database.after_commit(lambda: self.notifier.notify(self.name))


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresUnreadableMessages:
    """The queue of what came out of the task queue and is no message."""

    database: Database

    SEND = """
        SELECT pgmq.send(%(queue)s, to_jsonb(%(text)s::text),
            jsonb_build_object('messageId', %(message_id)s::text, 'reason', %(reason)s::text), clock_timestamp())
    """

    def keep(self, text: str, *, message_id: str, reason: str) -> None:
        """Put a text into the queue, with its message's id and the reason as headers; durable on return."""
        values = {"text": storable(text), "message_id": message_id, "reason": storable(reason)}
        self.database.rows(self.SEND, {"queue": UNREADABLE, **values})


def receipt_of(message_id: int, receives: int) -> str:
    """The receipt of a message that was received for the so-manieth time; the next receive makes it void."""
    return f"{message_id}.{receives}"


def read_receipt(receipt: str) -> tuple[int, int]:
    """The message's number and its receives."""
    message_id, receives = receipt.split(".")
    return int(message_id), int(receives)
