"""What the use cases need from outside. Every port has adapters in `adapters` and a fake in `testing`.

A port that cannot do its work now raises `domain.errors.Unavailable`; the work may have been done all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from task_service.domain.messages import QueueMessage, Received, TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, Task
from task_service.domain.template import StoredTemplate

if TYPE_CHECKING:
    # Not every function needs these.
    from task_service.domain.call import Answered, HttpCall
    from task_service.domain.idempotency import KeyUse
    from task_service.domain.identity import Caller
    from task_service.domain.policy import Policy
    from task_service.domain.search import Filter, Found, ListSummary
    from task_service.domain.task_list import GroupState, ListRecords, TaskList

Clock = Callable[[], datetime]
"""The current time, aware and in UTC."""

Draw = Callable[[], float]
"""A random number in [0, 1)."""

Pause = Callable[[float], None]
"""Waits that many seconds."""

UnitOfWork = Callable[[], AbstractContextManager[None]]
"""Begins a unit of work, which ends with the context: makes several writes one, where the platform can.

Where records and queue are in one database, what is written inside is durable at its end, or nothing is. Where they are
not, each write is durable by itself, in order. So inside it no write may need a later one to succeed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of templates, ordered by name."""

    items: list[StoredTemplate]
    next: str | None
    """The last name of this page where more follow."""


T_co = TypeVar("T_co", covariant=True)


class KnownTemplates(Protocol[T_co]):
    """The templates of one kind, parsed."""

    def get(self, name: str, /) -> T_co | None:
        """The template of that name; it may be out of date by the deployment's TEMPLATE_CACHE_SECONDS."""


class CachedTemplates(KnownTemplates[T_co], Protocol[T_co]):
    """The same, read through the memory of a warm function."""

    def forget(self, name: str) -> None:
        """Read that template anew next time."""


class Templates(Protocol):
    """The templates of one kind in the table."""

    def get(self, name: str) -> StoredTemplate | None:
        """The template of that name; read consistently."""

    def put(self, template: StoredTemplate, *, if_match: str | None, if_new: bool) -> bool | None:
        """Write it, where `if_match` is the stored version's tag or `if_new` and there is none.

        Returns whether it is new, or None where the condition did not hold.
        """

    def delete(self, name: str, *, if_match: str | None) -> bool | None:
        """Delete it. Returns whether there was one, or None where the condition did not hold."""

    def page(self, *, limit: int, after: str | None) -> Page:
        """Up to `limit` templates with names greater than `after`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The result of claiming a task, or of another conditional write."""

    won: bool
    task: Task | None
    """As it is now; None: there is no record."""


class Tasks(Protocol):
    """The tasks in the table. Every change is one conditional write; see `domain.task` for the states."""

    def add(self, task: Task) -> Task | None:
        """Write a task unless there is one of its id, which is returned; None: it is new, and durable."""

    def add_all(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Write tasks with new ids, in as few requests as possible; returns those that may not be written.

        The caller tells no client the id of one of these, and removes it. Raises Unavailable where none is written.
        """

    def remove(self, task_id: str) -> None:
        """Remove a task whose id no client was told."""

    def get(self, task_id: str) -> Task | None:
        """The task; read consistently."""

    def ping(self) -> None:
        """Return where the table answers."""

    def claim(
        self, message: TaskMessage, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        """Take the lease, if the message's attempt is due or the lease of a crashed holder has ended.

        The attempt of a crashed holder goes into the history. `holder` is a name that no other claim uses. `birth` is
        the record of a list's task, which is written when it is first claimed.
        """

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        """End a claimed task. False: the lease was lost, the task is no longer ours."""

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        """Give a claimed task back for its next attempt, which is due `decision.delay` after the end of this one.

        False: the lease was lost.
        """

    def abandon(self, message: TaskMessage, *, error: str, now: datetime) -> Claim:
        """Fail a task whose current attempt is the message's, if the lease of its executor has ended."""

    def cancel(
        self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None, by: str | None = None
    ) -> Claim:
        """Cancel a task that has not ended; an executor that works on it loses its lease.

        `birth` is the record of a list's task, which is written where there is none; `by` names the caller.
        """

    def replay(self, task_id: str, *, number: int, by: str | None = None) -> Claim:
        """Give a failed task back for the first attempt of that replay, unless that was done before.

        `by` names the caller who asked for it.
        """


class TaskLists(Protocol):
    """The task lists in the table. Every write that advances a list happens once, however often it is tried.

    The caller passes the list as it was read, with its replay: a write of an earlier replay changes nothing.
    """

    def add(self, task_list: TaskList) -> TaskList | None:
        """Write a list unless there is one of its id, which is returned; None: it is new, and durable."""

    def remove(self, list_id: str) -> None:
        """Remove a list whose id no client was told."""

    def get(self, list_id: str) -> TaskList | None:
        """The list; read consistently."""

    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        """Write a group's record, with `parallel` outstanding tasks; the one that is there, where there is one.

        One of an earlier replay is taken into this one; where it had failed it is opened for its failed tasks.
        """

    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are."""

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

    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        """Write how a list ends, unless that is written."""

    def cancel(self, task_list: TaskList, *, now: datetime, by: str | None = None) -> TaskList | None:
        """Write that a list is cancelled, unless it has ended; returns what is written then.

        The caller has stopped the list before: this is what its clients see, no executor asks for it.
        """

    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        """Close a group as cancelled, started or not, unless it has ended; returns what is written then.

        A group that a later replay than the list's has opened stays as it is.
        """

    def replay(self, list_id: str, *, number: int, by: str | None = None) -> TaskList | None:
        """Open a failed list for that replay, unless that was done before; returns what is written then."""

    def records(self, list_id: str) -> ListRecords | None:
        """Read the records that a list's status shows, consistently."""

    def results(self, list_id: str, index: int) -> Iterator[Body]:
        """The results of a group's tasks that are done, in order, read as they are asked for."""


class Search(Protocol):
    """The tasks and the task lists in the table, the newest first; what was created a moment ago may be missing."""

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Up to `limit` tasks that are in no list, created before the place `before`, without body and result."""

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Up to `limit` task lists, created before the place `before`."""


class IdempotencyKeys(Protocol):
    """The idempotency keys in the table."""

    def put(self, use: KeyUse, *, now: datetime) -> KeyUse:
        """Write the use of a key, unless it is in use; returns the use that is stored then."""

    def get(self, key_hash: str, *, now: datetime) -> KeyUse | None:
        """The use of a key at that time; None: it is free. Read consistently."""


class TaskQueue(Protocol):
    """The task queue."""

    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        """Put a message into the queue; returns once it is durable.

        With `due_at` it is delivered then. A queue with a longest delay may deliver it earlier, so a handler compares
        the message's own `not_before` with the clock.
        """

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Put messages into the queue, in as few requests as possible; returns once all are durable."""

    def send_each(self, messages: Sequence[TaskMessage]) -> Sequence[TaskMessage]:
        """Put messages into the queue, each to be delivered at its own `not_before`, in as few requests as possible.

        Returns those that may not be in it. Raises Unavailable where none is.
        """

    def ping(self) -> None:
        """Return where the queue answers."""

    def postpone(self, receipt: str, *, until: datetime) -> None:
        """Hide a received message, which will not be deleted, until then."""

    def give_back(self, received: Sequence[Received]) -> None:
        """Put received messages back, up to ten, as new ones that are delivered at once; the received ones are gone.

        A new message has the crashes of the old one, and the queue counts its deliveries anew. Where this raises
        Unavailable, messages may be there twice; none is lost.
        """


class UnreadableMessages(Protocol):
    """A queue of its own for texts that are no message of this service, where an operator finds them."""

    def keep(self, text: str, *, message_id: str, reason: str) -> None:
        """Put a text into the queue; returns once it is durable."""


class Bodies(Protocol):
    """Where bodies and results live: small ones in the record itself, large ones in a bucket."""

    def store(self, key: str, text: str) -> Body:
        """Make `text` ready to be written into a record; a large one is durable under `key` on return."""

    def load(self, body: Body) -> str:
        """The text of a stored body."""


class HttpTarget(Protocol):
    """The HTTP endpoints that tasks call."""

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """Make the call; it ends before `deadline`, whatever the target does.

        Raises CallRefused where there is no answer to use.
        """


class ResultCache(Protocol):
    """The cache service."""

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write a JSON text under a key. Raises CallRefused; whether it was written is then unknown."""


class PolicyCompiler(Protocol):
    """Checks policies that are to be written."""

    def check(self, name: str, policy: Policy) -> None:
        """Compile a policy. Raises BadRequest, which names the place of the fault, and Unavailable."""


class PolicyEngine(Protocol):
    """Evaluates Rego policies."""

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        """The policy's result for an input, both JSON texts. Raises CallRefused."""


class TokenVerifier(Protocol):
    """Tells good tokens from bad ones."""

    def verify(self, token: str) -> Caller:
        """The caller whose token it is. Raises domain.errors.Unauthenticated, which says why it is not accepted."""


class Secret(Protocol):
    """The secret of our OAuth client."""

    def __call__(self) -> str:
        """The secret. Raises Unavailable."""

    def forget(self) -> None:
        """Read it again next time: a service has not accepted it."""


class BearerToken(Protocol):
    """The token with which we call services that ask for one."""

    def __call__(self, deadline: datetime) -> str:
        """A token to be used now. Raises CallRefused where there is none before `deadline`."""

    def forget(self, token: str | None = None) -> None:
        """Get a new one next time: a service has not accepted this one (by default whichever it is)."""
