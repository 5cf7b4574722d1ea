"""Creating with an idempotency key: once, however often it is asked for.

    check ──► key: the id it stands for ──► record of that id, unless it is there ──► message, unless it was taken

Every request with the key takes all of these steps, and a step that is done already does nothing. So the client's retry
completes what a crash has interrupted, and concurrent requests need not wait for each other. If the message cannot be
sent, the record stays: another request with the same key may have been answered with its id.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

from task_service.domain.errors import KeyReused, NotFound
from task_service.domain.idempotency import KeyUse, fingerprint
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.start import AT_ONCE, Start
from task_service.ports import Clock, IdempotencyKeys, TaskQueue, UnitOfWork

R = TypeVar("R")


class Records(Protocol[R]):
    """The records of tasks or of lists."""

    def add(self, record: R, /) -> R | None:
        """Write a record unless there is one of its id, which is returned."""

    def get(self, record_id: str, /) -> R | None:
        """The record of an id."""


class Creator(Protocol[R]):
    """Creates tasks or lists, in one go or step by step; R is their record."""

    def create(
        self, name: str, payload: str, *, cache_namespace: str = "", cache_scope: str = "", start: Start = AT_ONCE
    ) -> str:
        """Create one without a key; returns the id."""

    @property
    def records(self) -> Records[R]:
        """Their records."""

    def draft(
        self, name: str, payload: str, *, cache_namespace: str = "", cache_scope: str = "", start: Start = AT_ONCE
    ) -> Callable[[str], R]:
        """Check the request; returns a function that makes the record of an id."""

    def has_started(self, record: R, /) -> bool:
        """Whether an executor has handled the first message of a record that was found."""

    def first_message(self, record: R, /) -> TaskMessage | GroupStart:
        """The message that makes it start."""


@dataclass(kw_only=True, eq=False, repr=False)
class KeyedCreator:
    """Creates tasks and lists with an idempotency key."""

    keys: IdempotencyKeys
    queue: TaskQueue
    unit_of_work: UnitOfWork
    clock: Clock
    keep: timedelta
    """How long a key is kept, counted from the time when what it created is due."""

    def create(
        self,
        creation: Creator[R],
        key_hash: str,
        resource: str,
        name: str,
        payload: str,
        *,
        cache_namespace: str = "",
        cache_scope: str = "",
        start: Start = AT_ONCE,
    ) -> tuple[str, bool]:
        """Create what the key stands for, unless it is there; returns its id, and whether it is new.

        On return the record is in the table, and its message is in the queue or was taken. Raises BadRequest,
        TooLarge and NotFound, for which no key is kept, KeyReused, and Unavailable, after which the same request has
        to be sent again.
        """
        print_of_request = fingerprint(resource, name, payload, cache_namespace, cache_scope, *start.identity)
        try:
            draft = creation.draft(name, payload, cache_namespace=cache_namespace, cache_scope=cache_scope, start=start)
        except NotFound as reason:
            return self._known(creation, key_hash, print_of_request, reason), False
        with self.unit_of_work():
            use = self._use(key_hash, print_of_request, start)
            record = draft(use.id)
            present = creation.records.add(record)
            if present is None:
                self._send_first(creation, record)
            else:
                self._start(creation, present)
        return use.id, present is None

    def _use(self, key_hash: str, print_of_request: str, start: Start) -> KeyUse:
        """The use of the key, written now or before. Raises KeyReused."""
        now = self.clock()
        expires_at = (start.due_at(now) or now) + self.keep
        use = KeyUse(key_hash=key_hash, id=str(uuid4()), fingerprint=print_of_request, expires_at=expires_at)
        return _same(self.keys.put(use, now=now), print_of_request)

    def _known(self, creation: Creator[R], key_hash: str, print_of_request: str, reason: NotFound) -> str:
        """The id of a key whose template has been deleted since. Raises `reason` if the key is not in use."""
        known = self.keys.get(key_hash, now=self.clock())
        if known is None:
            raise reason
        record = creation.records.get(_same(known, print_of_request).id)
        if record is None:
            # Its creation stopped before a client was told the id, and cannot be completed without the template.
            raise reason
        self._start(creation, record)
        return known.id

    def _start(self, creation: Creator[R], record: R) -> None:
        """Send the first message of a record that was found; a second message does no harm."""
        if not creation.has_started(record):
            self._send_first(creation, record)

    def _send_first(self, creation: Creator[R], record: R) -> None:
        message = creation.first_message(record)
        self.queue.send(message, due_at=message.not_before)


def _same(use: KeyUse, print_of_request: str) -> KeyUse:
    if use.fingerprint != print_of_request:
        raise KeyReused
    return use
