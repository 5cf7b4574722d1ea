"""Ending the tasks whose messages crashed their executors too often, so that none stays pending.

What nobody has started, or is due to start again, has crashed nobody: its message is sent again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from task_service.domain.task import CacheWrite, GroupStart, ListCancel, QueueMessage, State, place_of
from task_service.ports import Clock, TaskQueue, Tasks
from task_service.usecases.run_list import ListRunner
from task_service.usecases.run_task import MAX_DELAY_SECONDS, Event, Handled, Step

REASON: Final = "the executor was stopped during every one of its tries, by a crash or by its time limit"


@dataclass(kw_only=True, eq=False, repr=False)
class DeadLetterHandler:
    """Takes dead letters."""

    tasks: Tasks
    queue: TaskQueue
    lists: ListRunner
    clock: Clock

    def handle(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Fail the task of a dead letter, if somebody has started it and not come to an end. Raises Unavailable."""
        if isinstance(message, CacheWrite | ListCancel):
            # No target is called for either; it is tried as long as there is a record.
            self.queue.send(message, delay_seconds=MAX_DELAY_SECONDS)
            return Step(handled=Handled.DELETE, event=Event.RESENT)
        if isinstance(message, GroupStart):
            return self.lists.move_on(message, deadline=deadline)
        place = place_of(message.task_id)
        if place is not None:
            return self.lists.abandon(message, place, error=REASON, deadline=deadline)
        self.lists.attempts.open_replay(message)
        claim = self.tasks.abandon(message, error=REASON, now=self.clock())
        task = claim.task
        if task is None:
            return Step(handled=Handled.DELETE, event=Event.UNKNOWN)
        if claim.won:
            return Step(handled=Handled.DELETE, event=Event.FAILED)
        if task.state is State.PENDING:
            # A duplicate of the message is being worked on; look again later.
            return Step(handled=Handled.KEEP, event=Event.LEASED)
        if task.state is State.CREATED and task.replay == message.replay:
            self.queue.send(task.message())
            return Step(handled=Handled.DELETE, event=Event.RESENT)
        return Step(handled=Handled.DELETE, event=Event.FINISHED)
