"""Creating a task or a list: one record and one message, and acknowledged means durable."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import uuid4

from task_service.domain.errors import Unavailable
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.order import Order
from task_service.ports import Bodies, Clock, TaskQueue, UnitOfWork
from task_service.usecases.withdraw import Records, Withdrawals

if TYPE_CHECKING:
    from task_service.domain.task import Task
    from task_service.domain.task_list import TaskList

R = TypeVar("R", "Task", "TaskList")


@dataclass(kw_only=True, eq=False, repr=False)
class Creator(ABC, Generic[R]):
    """Creates tasks or lists, in one go or step by step; R is their record."""

    queue: TaskQueue
    unit_of_work: UnitOfWork
    bodies: Bodies
    clock: Clock
    retention: timedelta
    starts_traces: bool = False
    """Whether a creation that comes in no trace gets a new one."""

    @cached_property
    def withdrawals(self) -> Withdrawals[R]:
        """Takes back records whose messages could not be sent."""
        return Withdrawals(records=self.records, has_started=self.has_started)

    def create(self, order: Order) -> str:
        """Create one without an idempotency key; returns its id.

        On return the record is in the table and its message in the queue. Raises BadRequest, TooLarge, NotFound,
        and Unavailable, after which it does not run unless the queue took the message without saying so.
        """
        record = self.draft(order)(str(uuid4()))
        try:
            with self.unit_of_work():
                self.records.add(record)
                self.queue.send(self.first_message(record), due_at=record.not_before)
        except Unavailable:
            self.withdrawals.withdraw([record.id])
            raise
        self.withdrawals.go_on()
        return record.id

    # -- the steps one by one, for creating with an idempotency key

    @property
    @abstractmethod
    def records(self) -> Records[R]:
        """Where the records are written."""

    @abstractmethod
    def draft(self, order: Order) -> Callable[[str], R]:
        """Check the order; returns what makes the record of an id. Raises BadRequest, TooLarge, NotFound."""

    @abstractmethod
    def has_started(self, record: R, /) -> bool:
        """Whether an executor has handled the first message of a record that was found."""

    @abstractmethod
    def first_message(self, record: R, /) -> TaskMessage | GroupStart:
        """The message that makes it start."""
