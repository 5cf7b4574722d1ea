"""Creating with an idempotency key: once, however often it is asked for.

    check ──► key: the id it stands for ──► record of that id, unless it is there ──► message, unless it was taken

Every request with the key takes all of these steps, and a step that is done already does nothing. So the client's retry
completes what a crash has interrupted, and concurrent requests need not wait for each other. If the message cannot be
sent, the record stays: another request with the same key may have been answered with its id.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from task_service.domain.errors import KeyReused, NotFound
from task_service.domain.idempotency import KeyUse, fingerprint
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.order import Order
from task_service.domain.start import Start
from task_service.domain.trace import work_in
from task_service.ports import Clock, IdempotencyKeys, TaskQueue, UnitOfWork
from task_service.usecases.creator import Creator, R


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """The record that a key stands for, which is in the table."""

    id: str
    is_new: bool
    message: TaskMessage | GroupStart | None
    """Its first message, which is to be sent; None: an executor has handled it."""


@dataclass(kw_only=True, eq=False, repr=False)
class KeyedCreator:
    """Creates tasks and lists with an idempotency key."""

    keys: IdempotencyKeys
    queue: TaskQueue
    unit_of_work: UnitOfWork
    clock: Clock
    keep: timedelta
    """How long a key is kept, counted from the time when what it created is due."""

    def create(self, creation: Creator[R], key_hash: str, resource: str, order: Order) -> tuple[str, bool]:
        """Create what the key stands for, unless it is there; returns its id, and whether it is new.

        On return the record is in the table, and its message is in the queue or was taken. Raises BadRequest,
        TooLarge and NotFound, for which no key is kept, KeyReused, and Unavailable, after which the same request has
        to be sent again.
        """
        with self.unit_of_work():
            written = self.write(creation, key_hash, resource, order)
            if written.message is not None:
                self.queue.send(written.message, due_at=written.message.not_before)
        return written.id, written.is_new

    def write(self, creation: Creator[R], key_hash: str, resource: str, order: Order) -> Written:
        """Do the same without sending the message, which the caller has to do before it tells a client the id."""
        print_of_request = fingerprint(resource, *order.identity)
        try:
            draft = creation.draft(order)
        except NotFound as reason:
            return self._known(creation, key_hash, print_of_request, reason)
        use = self._use(key_hash, print_of_request, order.start)
        record = draft(use.id)
        present = creation.records.add(record)
        if present is None:
            return Written(id=use.id, is_new=True, message=creation.first_message(record))
        return self._found(creation, use.id, present)

    def _use(self, key_hash: str, print_of_request: str, start: Start) -> KeyUse:
        """The use of the key, written now or before. Raises KeyReused."""
        now = self.clock()
        expires_at = (start.due_at(now) or now) + self.keep
        use = KeyUse(key_hash=key_hash, id=str(uuid4()), fingerprint=print_of_request, expires_at=expires_at)
        return _same(self.keys.put(use, now=now), print_of_request)

    def _known(self, creation: Creator[R], key_hash: str, print_of_request: str, reason: NotFound) -> Written:
        """The record of a key whose template has been deleted since. Raises `reason` if the key is not in use."""
        known = self.keys.get(key_hash, now=self.clock())
        if known is None:
            raise reason
        record = creation.records.get(_same(known, print_of_request).id)
        if record is None:
            # Its creation stopped before a client was told the id, and cannot be completed without the template.
            raise reason
        return self._found(creation, known.id, record)

    def _found(self, creation: Creator[R], record_id: str, record: R) -> Written:
        """A record that was there already; a second first message does no harm."""
        work_in(record.context.trace)
        message = None if creation.has_started(record) else creation.first_message(record)
        return Written(id=record_id, is_new=False, message=message)


def _same(use: KeyUse, print_of_request: str) -> KeyUse:
    if use.fingerprint != print_of_request:
        raise KeyReused
    return use
