"""Handling dead letters: a task whose message crashed its executor too often ends.

The failures function gets them from the dead-letter queue. The executor takes a message for one that has come back as a
new message in between, so that the queue has not counted all of its crashes.

A task that no executor has started, or that waits for its next attempt, crashed no executor: its message is sent again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from task_service.domain.errors import Unavailable
from task_service.domain.messages import CacheWrite, GroupStart, ListCancel, QueueMessage, message_of
from task_service.domain.outcome import Handled, Interrupted, Outcome, Step
from task_service.domain.task import State, place_of
from task_service.domain.trace import work_in
from task_service.ports import Clock, TaskQueue, Tasks
from task_service.usecases.notify_failure import FailureNotifier
from task_service.usecases.run_list import ListRunner

REASON: Final = "the executor was stopped during every one of its tries, by a crash or by its time limit"

PAUSE: Final = timedelta(minutes=15)
"""Delay of a message that calls no target, before it is tried again."""


@dataclass(kw_only=True, eq=False, repr=False)
class DeadLetterHandler:
    """Handles dead letters."""

    tasks: Tasks
    queue: TaskQueue
    lists: ListRunner
    clock: Clock
    notifier: FailureNotifier

    def handle(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Fail the task of a dead letter if an executor has started it and not ended it. Raises Unavailable."""
        if isinstance(message, CacheWrite | ListCancel):
            # Neither calls a target, so both are tried as long as there is a record.
            self.queue.send(replace(message, crashes=0), due_at=self.clock() + PAUSE)
            return Step(handled=Handled.DELETE, outcome=Outcome.RESENT)
        if isinstance(message, GroupStart) and message.not_before is not None and message.not_before > self.clock():
            self.queue.send(replace(message, crashes=0), due_at=message.not_before)
            return Step(handled=Handled.DELETE, outcome=Outcome.RESENT)
        if isinstance(message, GroupStart):
            return self.lists.advance(message, deadline=deadline)
        place = place_of(message.task_id)
        if place is not None:
            return self.lists.abandon(message, place, error=REASON, deadline=deadline)
        self.lists.runner.open_replay(message)
        claim = self.tasks.abandon(message, error=REASON, now=self.clock())
        task = claim.task
        if task is None:
            return Step(handled=Handled.DELETE, outcome=Outcome.UNKNOWN)
        work_in(task.context.trace)
        if task.state is State.FAILED:
            step = Step(handled=Handled.DELETE, outcome=Outcome.FAILED if claim.won else Outcome.FINISHED)
            try:
                notice = self.notifier.tell(task.id, task.template)
            except Unavailable as reason:
                raise Interrupted(reason, step) from reason
            return replace(step, notices=(notice,) if notice is not None else ())
        if task.state is State.PENDING:
            # Another executor works on a duplicate of the message; the failures function looks again later.
            return Step(handled=Handled.KEEP, outcome=Outcome.LEASED)
        if task.state is State.CREATED and task.replay == message.replay:
            self.queue.send(message_of(task), due_at=task.not_before)
            return Step(handled=Handled.DELETE, outcome=Outcome.RESENT)
        return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)
