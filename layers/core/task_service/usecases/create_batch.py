"""Creating many tasks at once, with few requests; each answers for itself.

    look the templates up ──► write the records of new ids ──► write keys and their records ──► send the messages
                              many with a request                                               many with a request

Where records and queue are in one database all of it is one transaction. Elsewhere a record whose message is not taken
is removed again, unless it has an idempotency key: then the client's next request with the key completes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import uuid4

from task_service.domain.errors import TaskServiceError, Unavailable
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.order import Order
from task_service.domain.task import Task
from task_service.usecases.create_once import KeyedCreator
from task_service.usecases.create_task import TaskCreator


class Item(NamedTuple):
    """A task that a client wants created in a batch."""

    order: Order
    key_hash: str | None = None
    """Of its idempotency key; None: it has none."""


class Created(NamedTuple):
    """A task that is durable, and will run."""

    task_id: str
    is_new: bool
    """Whether this request has created it, not an earlier one with the same key."""


Result = Created | TaskServiceError
"""The result of an item."""


@dataclass(kw_only=True, eq=False, repr=False)
class BatchCreator:
    """Creates many tasks."""

    creator: TaskCreator
    keyed: KeyedCreator

    def create(self, items: Sequence[Item]) -> list[Result]:
        """Create the tasks of `items`; returns the result of each, in order.

        A task that is created is in the table, and its message in the queue. Raises Unavailable where none was written.
        """
        # Each is read once, also one that there is not.
        templates = {name: self.creator.templates.get(name) for name in {item.order.name for item in items}}
        batch = _Batch(items=items, creator=replace(self.creator, templates=templates), keyed=self.keyed)
        try:
            with self.creator.unit_of_work():
                batch.write_new()
                batch.write_keyed()
                batch.send()
        except Unavailable as reason:
            batch.give_up(reason)
        self.creator.withdrawals.withdraw(batch.without_message)
        if any(isinstance(result, Created) for result in batch.results.values()):
            self.creator.withdrawals.go_on()
        return [batch.results[index] for index in range(len(items))]


@dataclass(kw_only=True, eq=False, repr=False)
class _Batch:
    """The items of one request, on their way to their results."""

    items: Sequence[Item]
    creator: TaskCreator
    keyed: KeyedCreator
    results: dict[int, Result] = field(default_factory=dict)
    """By the positions of the items."""
    new: dict[int, Task] = field(default_factory=dict)
    """The records of items without a key."""
    messages: dict[int, TaskMessage] = field(default_factory=dict)
    """Messages that are to be sent."""

    def write_new(self) -> None:
        """Write the records of the items without a key."""
        for index, item in enumerate(self.items):
            if item.key_hash is not None:
                continue
            try:
                self.new[index] = self.creator.draft(item.order)(str(uuid4()))
            except Unavailable:
                # Nothing is written yet.
                raise
            except TaskServiceError as refusal:
                self.results[index] = refusal
        left = {task.id for task in self.creator.tasks.add_all(list(self.new.values()))}
        for index, task in self.new.items():
            if task.id in left:
                self.results[index] = Unavailable("the task was not written")
            else:
                self.results[index] = Created(task.id, is_new=True)
                self.messages[index] = message_of(task)

    def write_keyed(self) -> None:
        """Write the keys and the records of the items with a key."""
        keyed = [(item.key_hash, index) for index, item in enumerate(self.items) if item.key_hash is not None]
        unavailable: Unavailable | None = None
        # In the order of the keys, so that two batches with the same keys do not wait for each other.
        for key_hash, index in sorted(keyed):
            if unavailable is not None:
                self.results[index] = unavailable
                continue
            try:
                written = self.keyed.write(self.creator, key_hash, "task", self.items[index].order)
            except Unavailable as reason:
                # The table does not answer. Asking again for each key would take longer than a client waits.
                unavailable = self.results[index] = reason
            except TaskServiceError as refusal:
                self.results[index] = refusal
            else:
                self.results[index] = Created(written.id, written.is_new)
                if isinstance(written.message, TaskMessage):
                    self.messages[index] = written.message

    def send(self) -> None:
        """Send the messages of the records that are written."""
        unsent = self.creator.queue.send_each(list(self.messages.values()))
        for index, message in self.messages.items():
            if message in unsent:
                self.results[index] = Unavailable("the task's message was not sent")

    def give_up(self, reason: Unavailable) -> None:
        """None of the tasks is durable, whatever was written."""
        for index in range(len(self.items)):
            result = self.results.get(index)
            if result is None or isinstance(result, Created):
                self.results[index] = reason

    @property
    def without_message(self) -> list[str]:
        """The ids of new records that may be there, and whose messages may not."""
        return [task.id for index, task in self.new.items() if not isinstance(self.results[index], Created)]
