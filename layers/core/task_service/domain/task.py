"""A task: one HTTP call, or one policy evaluation, on its way from created to its end.

                    claim                       finish
    created(n) ───────────────► pending(n) ─────────────────► done | failed
      │ ▲                          │  ▲  │                             │
      │ │      retry: n + 1        │  └──┘ claim again, once the lease of a crashed holder has ended
      │ ├──────────────────────────┤                                   │
      │ │      replay: 1           │                                   │
      │ └──────────────────────────┼───────────────────────────────────┘
      └────────────────────────────┴──► cancelled

Every arrow is one conditional write; the adapters of `ports.Tasks` state the conditions.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from task_service.domain.context import NO_CONTEXT, Context
from task_service.domain.history import CRASHED, History, PastAttempt, extended
from task_service.domain.start import group_of
from task_service.domain.template import TaskTemplate


class State(StrEnum):
    """Where a task stands."""

    CREATED = "created"
    """Waits for its first or next attempt."""
    PENDING = "pending"
    """An executor holds a lease and works on it."""
    DONE = "done"
    """It has a result."""
    FAILED = "failed"
    """It has no result; `error` says why."""
    CANCELLED = "cancelled"
    """A client has cancelled it."""

    @property
    def is_final(self) -> bool:
        """Whether the task has ended."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A JSON text, kept in the record or in the bucket."""

    text: str | None = None
    """The text itself, where it is kept in the record."""
    blob: str | None = None
    """Its key in the bucket, where it is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a task stands in its list."""

    list_id: str
    group: int
    position: int

    @property
    def task_id(self) -> str:
        """The id of the task in that place."""
        return f"{self.list_id}.{self.group}.{self.position}"


def place_of(task_id: str) -> Place | None:
    """The place that a task's id names; None: the task is in no list."""
    list_id, *numbers = task_id.split(".")
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() and len(number) < 5 for number in numbers):
        return None
    place = Place(list_id=list_id, group=int(numbers[0]), position=int(numbers[1]))
    # One task, one id: "1.01" names none.
    return place if place.task_id == task_id else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A task as the table has it."""

    id: str
    name: str
    """Name of its template."""
    template: TaskTemplate | None = None
    """A snapshot: changing the template does not change a task under way. None in a list: the list's plan has it."""
    request: Body | None = None
    """None in a list: it is the list's, or the result of the task before it."""
    cache_namespace: str = ""
    cache_scope: str = ""
    state: State
    attempt: int
    """The number of the current or last attempt, from 1."""
    created_at: datetime
    expires_at: datetime
    """When its retention ends and the record may vanish."""
    not_before: datetime | None = None
    """When the next attempt is or was due, until it starts."""
    lease_until: datetime | None = None
    """The end of the time in which its holder may work on it; set while it is pending."""
    holder: str | None = None
    """Name of the claim that holds the lease, or held it last."""
    started_at: datetime | None = None
    """When its first attempt started."""
    attempt_started_at: datetime | None = None
    """When the current or last attempt started; None: with the first one, at `started_at`."""
    finished_at: datetime | None = None
    response_code: int | None = None
    """HTTP status of the target's last answer."""
    redirects: int = 0
    """How many redirects the last attempt followed."""
    final_origin: str | None = None
    """Scheme, host and port that they led to; None: there were none."""
    result: Body | None = None
    error: str | None = None
    """Why the last attempt failed, or why it was cancelled."""
    replay: int = 0
    """Number of replays so far."""
    queue_group: str = ""
    """The group that its client or its list has named; empty: that of its template."""
    earlier: History = ()
    """The attempts before the current or last one. A task whose first attempt ends well never writes any."""
    context: Context = NO_CONTEXT
    """Where it comes from; in a list, where the list does."""
    cancelled_by: str | None = None
    """Name of the caller who cancelled it, or its list; None: it is not known."""
    replayed_by: str | None = None
    """Name of the caller who asked for its last replay, or its list's; None: it is not known."""

    @property
    def turn(self) -> str:
        """The group in whose turn its messages are delivered."""
        return self.queue_group or group_of(self.name)

    @property
    def attempts(self) -> int:
        """Number of attempts that have started; one that waits for its time has not."""
        waits = self.started_at is None or self.not_before is not None
        return self.attempt - waits

    @property
    def shown_state(self) -> State:
        """The state that clients see: a task that waits for a retry is pending."""
        return State.PENDING if self.state is State.CREATED and self.started_at is not None else self.state

    @property
    def history(self) -> History:
        """The last attempts that have ended. What is known of the last one is in the record's own members."""
        is_under_way_or_waits = not self.state.is_final
        never_started = self.started_at is None or self.not_before is not None
        if is_under_way_or_waits or never_started:
            return self.earlier
        # A client that cancels a task takes it from its holder, as the end of a dead letter does: what the target has
        # answered to this attempt is not known then.
        has_answer = self.holder is not None
        return self._with_end(self.finished_at, self.response_code if has_answer else None, self.error)

    def history_after_retry(self, *, finished_at: datetime, response_code: int | None, error: str) -> History:
        """The history once the attempt under way has failed and another one will follow."""
        return self._with_end(finished_at, response_code, error)

    def history_after_crash(self) -> History:
        """The history once another executor takes over the attempt under way."""
        return self._with_end(None, None, CRASHED)

    def lease_has_ended(self, now: datetime) -> bool:
        """Whether the holder had to end its work before now: it has crashed."""
        return self.state is State.PENDING and self.lease_until is not None and self.lease_until < now

    def waits_for_replay(self, number: int) -> bool:
        """Whether it has failed, and that replay has not reached it yet."""
        return self.state is State.FAILED and self.replay < number

    def _with_end(self, finished_at: datetime | None, response_code: int | None, error: str | None) -> History:
        past = PastAttempt(
            attempt=self.attempt,
            started_at=self.attempt_started_at or self.started_at,
            finished_at=finished_at,
            response_code=response_code,
            error=error,
        )
        return extended(self.earlier, past)
