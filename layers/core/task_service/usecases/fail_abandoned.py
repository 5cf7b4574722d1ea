"""Ending the tasks whose messages crashed their executors too often, so that none stays pending."""

from dataclasses import dataclass

from task_service.domain.task import Message, State
from task_service.ports import Claim, Clock, TaskQueue, Tasks
from task_service.usecases.execute_task import Handled, Step

REASON = "the executor was stopped during every one of its tries, by a crash or by its time limit"


@dataclass(frozen=True, kw_only=True)
class AbandonedTasks:
    """Takes dead letters."""

    tasks: Tasks
    queue: TaskQueue
    clock: Clock

    def handle(self, message: Message) -> Step:
        """Fail the task of a dead letter, unless it has moved on since. Raises Unavailable."""
        now = self.clock()
        claim: Claim = self.tasks.abandon(message, error=REASON, now=now)
        task = claim.task
        if claim.won:
            return Step(handled=Handled.DELETE, event="failed", task=task, ended_at=now)
        if task is None:
            return Step(handled=Handled.DELETE, event="unknown")
        if task.state is State.PENDING:
            # A duplicate of the message is being worked on; look again later.
            return Step(handled=Handled.KEEP, event="leased")
        if task.state is State.CREATED and task.attempt > message.attempt:
            self.queue.send(task.message())
            return Step(handled=Handled.DELETE, event="resent")
        return Step(handled=Handled.DELETE, event="finished")
