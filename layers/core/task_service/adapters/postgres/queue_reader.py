"""Receiving messages through PGMQ, in SQS's meaning.

                  receive                    delete
    ──┬──────────────┬──────────────────────────┬──►  time
      │ sent, or     │ hidden for `visibility`  │
      │ due later    │                          │
      │              └─ not deleted by then: received again, by any reader; after so many receives it is moved to
      │                 the queue of dead letters instead
      └─ hidden until it is due

Nothing here waits for the disk. If the server crashes and forgets that a message was received, hidden or deleted, the
message comes again, as after any crash; the claim of its task, which is durable, says what is left to do.

A receipt is void once its message has been received again: a reader that was too slow neither deletes nor hides what
another one works on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from task_service.adapters.postgres.clock import DatabaseClock, counting
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.listener import Listener
from task_service.adapters.postgres.notifications import Notifier
from task_service.adapters.postgres.queue import read_receipt, receipt_of, table_of

LOOK_AGAIN: Final = 0.05
"""Seconds after a look that took all there was until the next one, unless a notification comes before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message in hand, until it is deleted or its visibility ends."""

    receipt: str
    """With which it is deleted or hidden."""
    message_id: str
    body: str
    receives: int
    """How often it has been received, this time included."""
    sent_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """How much a queue holds."""

    waiting: int
    """Messages that a reader would receive now."""
    hidden: int
    """Messages in a reader's hand, or due later."""
    oldest: timedelta
    """For how long the message waits that has been due longest; zero where none waits."""


@dataclass(kw_only=True, eq=False, repr=False)
class QueueReader:
    """Receives the messages of one queue."""

    database: Database
    queue: str
    clock: DatabaseClock
    listener: Listener
    notifier: Notifier
    dead_letters: str | None = None
    """The queue of messages that were received too often; None: they are received for ever."""
    most_receives: int = 5
    in_turn: bool = False
    """Whether the groups of the task queue take turns; else the oldest message is the first."""
    _last_group: str = field(default="", init=False)
    """The group after which the next turn begins; empty: with the first."""
    _emptied: int | None = field(default=None, init=False)
    """The notifications before the last look, if it took all that was due; None: there may be more."""

    def receive(self, *, most: int, visibility: timedelta, wait: timedelta = timedelta()) -> list[Delivery]:
        """Receive up to `most` messages and hide them for others; waits for the first one, if there is none.

        It ends earlier where the listener is told to stop. Raises Unavailable.
        """
        ends = counting() + wait.total_seconds()
        if self._emptied is not None:
            # Looking at once would find nothing, and take its time from the messages in hand.
            self.listener.wait(self.queue, seen=self._emptied, seconds=min(wait.total_seconds(), LOOK_AGAIN))
        while True:
            seen = self.listener.count(self.queue)
            received = self._read(most, visibility)
            self._emptied = seen if 0 < len(received) < most else None
            if received:
                return received
            left = ends - counting()
            if left <= 0 or self.listener.stopped:
                return []
            self.listener.wait(self.queue, seen=seen, seconds=min(left, self._seconds_until_due(left)))

    READ = """
        SELECT msg_id, read_ct, enqueued_at, message #>> '{}' AS body, clock_timestamp() AS now
        FROM pgmq.read(%(queue)s, %(visibility)s, %(most)s)
        ORDER BY msg_id
    """

    READ_IN_TURN = """
        SELECT msg_id, read_ct, enqueued_at, body, last_group, clock_timestamp() AS now
        FROM task_service.receive_in_turn(%(most)s, make_interval(secs => %(visibility)s), %(after_group)s)
        ORDER BY msg_id
    """

    def _read(self, most: int, visibility: timedelta) -> list[Delivery]:
        asked = counting()
        values: dict[str, Any] = {"queue": self.queue, "visibility": round(visibility.total_seconds()), "most": most}
        if self.in_turn:
            values["after_group"] = self._last_group
            rows = self.database.rows(self.READ_IN_TURN, values, durable=False)
            self._last_group = rows[0]["last_group"] if rows else ""
        else:
            rows = self.database.rows(self.READ, values, durable=False)
        if rows:
            self.clock.observe(rows[-1]["now"], asked=asked, answered=counting())
        received = [
            Delivery(
                receipt=receipt_of(row["msg_id"], row["read_ct"]),
                message_id=str(row["msg_id"]),
                # What another program has put there may be a JSON null, or no JSON at all. It is no message of this
                # service, and is set aside as any other text that is none.
                body="null" if row["body"] is None else row["body"],
                receives=row["read_ct"],
                sent_at=row["enqueued_at"],
            )
            for row in rows
        ]
        if self.dead_letters is None:
            return received
        dead = [message for message in received if message.receives > self.most_receives]
        if dead:
            self.move_to_dead_letters(message.receipt for message in dead)
        return [message for message in received if message.receives <= self.most_receives]

    def delete(self, receipts: Iterable[str]) -> int:
        """Delete messages whose work is done; returns how many receipts were still good. Raises Unavailable."""
        return len(
            self._change(f"DELETE FROM {table_of(self.queue)} AS message USING given WHERE {_IS_GIVEN}", receipts)
        )

    def hide(self, receipts: Iterable[str], *, until: datetime) -> None:
        """Hide messages until then; they come again then. Raises Unavailable."""
        statement = f"UPDATE {table_of(self.queue)} AS message SET vt = %(until)s FROM given WHERE {_IS_GIVEN}"
        self._change(statement, receipts, until=until)

    def give_back(self, receipts: Iterable[str]) -> None:
        """Give messages back that nobody has worked on, as if they had not been received. Raises Unavailable.

        They get new numbers, so that a receipt of before is not good again.
        """
        statement = f"""
            , back AS (
                DELETE FROM {table_of(self.queue)} AS message USING given WHERE {_IS_GIVEN} RETURNING message.*
            )
            INSERT INTO {table_of(self.queue)} AS message (vt, read_ct, enqueued_at, message, headers)
            SELECT clock_timestamp(), back.read_ct - 1, back.enqueued_at, back.message, back.headers
            FROM back ORDER BY back.msg_id
        """
        if self._change(statement, receipts):
            self.notifier.notify(self.queue)

    def move_to_dead_letters(self, receipts: Iterable[str]) -> None:
        """Move messages to the queue of dead letters, in one transaction. Raises Unavailable."""
        if self.dead_letters is None:
            raise ValueError(f"{self.queue} has no queue of dead letters")
        statement = f"""
            , dead AS (
                DELETE FROM {table_of(self.queue)} AS message USING given WHERE {_IS_GIVEN} RETURNING message.*
            )
            INSERT INTO {table_of(self.dead_letters)} AS message (vt, message)
            SELECT clock_timestamp(), dead.message FROM dead ORDER BY dead.msg_id
        """
        if self._change(statement, receipts):
            self.notifier.notify(self.dead_letters)

    def depth(self) -> Depth:
        """How much the queue holds. Raises Unavailable."""
        [row] = self.database.rows(f"""
            SELECT
                count(*) FILTER (WHERE vt <= clock_timestamp()) AS waiting,
                count(*) FILTER (WHERE vt > clock_timestamp()) AS hidden,
                COALESCE(GREATEST(clock_timestamp() - min(vt), interval '0'), interval '0') AS oldest
            FROM {table_of(self.queue)}
        """)
        return Depth(waiting=row["waiting"], hidden=row["hidden"], oldest=row["oldest"])

    def _seconds_until_due(self, otherwise: float) -> float:
        """Seconds until the next hidden message is due, as far as is known now."""
        row = self.database.row(f"SELECT vt, clock_timestamp() AS now FROM {table_of(self.queue)} ORDER BY vt LIMIT 1")
        # PGMQ compares with microseconds; a wait that ends a moment early would be repeated.
        return max(0.0, (row["vt"] - row["now"]).total_seconds()) + 0.001 if row else otherwise

    def _change(self, statement: str, receipts: Iterable[str], **values: Any) -> list[dict[str, Any]]:
        """Change the messages of these receipts, of those that are still good."""
        given: Sequence[tuple[int, int]] = [read_receipt(receipt) for receipt in receipts]
        if not given:
            return []
        values |= {"ids": [message_id for message_id, _ in given], "receives": [receives for _, receives in given]}
        return self.database.rows(f"{_GIVEN} {statement} RETURNING message.msg_id", values, durable=False)


_GIVEN = """
    WITH given AS (SELECT * FROM unnest(%(ids)s::bigint[], %(receives)s::integer[]) AS given (id, receives))
"""

_IS_GIVEN = "message.msg_id = given.id AND message.read_ct = given.receives"
