"""The outcome of handling a queue message: what happened, and what the queue is to do with the message."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from task_service.domain.errors import Unavailable
from task_service.domain.notice import Notice
from task_service.domain.retry import Decision
from task_service.domain.task import Task


class Handled(Enum):
    """The queue's next step with the message."""

    DELETE = "delete"
    """Delete it: its work is done, or another message has taken over."""
    KEEP = "keep"
    """Deliver it again."""


class Outcome(StrEnum):
    """The outcome of handling a message."""

    DONE = "done"
    """The task is done."""
    FAILED = "failed"
    """The task has failed."""
    RETRIED = "retried"
    """The attempt failed; the message of the next one is in the queue."""
    FINISHED = "finished"
    """The task had ended before."""
    LEASED = "leased"
    """Another executor works on the task."""
    LOST = "lost"
    """Another executor has taken the task over after the lease ended, or a client has cancelled it."""
    HOPPED = "hopped"
    """The message came too early and was sent again."""
    RESENT = "resent"
    """Another attempt is due; its message was sent again."""
    PUT_OFF = "put off"
    """The table did not answer; the message was sent again with a delay."""
    CACHED = "cached"
    """The cache service has the result."""
    GIVEN_UP = "given up"
    """The cache service refused the result for good."""
    UNKNOWN = "unknown"
    """There is no record: the creation was refused, or the retention has ended."""
    HANDED_OVER = "handed over"
    """Too little time was left; a message for the rest was sent."""
    CANCELLED = "cancelled"
    """A list is cancelled completely."""
    MOVED_ON = "moved on"
    """A list was advanced without running a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """An attempt that an executor has made."""

    outcome: Outcome
    task: Task
    """As it was claimed."""
    decision: Decision
    ended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The result of handling one message."""

    handled: Handled
    outcome: Outcome
    attempts: tuple[Attempt, ...] = ()
    """Attempts that were made meanwhile, in order."""
    notices: tuple[Notice, ...] = ()
    """Notices of the tasks that have failed, in order."""


class Interrupted(Unavailable):
    """Attempts were made and written down, or a task has failed, and what follows that has to be done again."""

    def __init__(self, reason: Unavailable, step: Step) -> None:
        """`step` is what was done before; the next step finds it done, so it is told of now."""
        super().__init__(reason.message)
        self.step = step
