"""Handling what comes out of the task queue: one message in hand, one step to take."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from task_service.domain.errors import Unavailable
from task_service.domain.isolation import MAX_CRASHES
from task_service.domain.messages import CacheWrite, GroupStart, ListCancel, QueueMessage, TaskMessage
from task_service.domain.outcome import Handled, Interrupted, Outcome, Step
from task_service.domain.task import State, place_of
from task_service.ports import Clock, Pause, TaskQueue
from task_service.usecases.cancel import Canceller
from task_service.usecases.handle_dead_letter import DeadLetterHandler
from task_service.usecases.notify_failure import FailureNotifier
from task_service.usecases.run_list import ListRunner
from task_service.usecases.run_task import TaskRunner, TaskStep
from task_service.usecases.write_cache import CacheWriter

PACE: Final = timedelta(seconds=1)
"""A message that comes early by more than this is sent again after such a pause: a queue that ignores its delay would
bring it back at once."""

LONG: Final = timedelta(minutes=15)
"""A message that comes early by more than this is one of a long wait, one of 2,880 in 30 days. A second of an executor
costs ten times what such a message costs, so the pause before it is sent again is shorter."""

HOP_PAUSE: Final = timedelta(milliseconds=50)


@dataclass(kw_only=True, eq=False, repr=False)
class MessageHandler:
    """Handles the messages of the task queue."""

    tasks: TaskRunner
    lists: ListRunner
    canceller: Canceller
    cache: CacheWriter
    notifier: FailureNotifier
    dead_letters: DeadLetterHandler
    queue: TaskQueue
    clock: Clock
    pause: Pause

    def handle(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Take the step that `message` asks for; everything ends before `deadline`.

        Raises Unavailable if the step has to be repeated; nothing is lost then.
        """
        if message.crashes >= MAX_CRASHES:
            return self.dead_letters.handle(message, receipt=receipt, deadline=deadline)
        if not isinstance(message, ListCancel) and not self._is_due(message):
            # What waits for its time has crashed no executor.
            self.queue.send(replace(message, crashes=0), due_at=message.not_before)
            return Step(handled=Handled.DELETE, outcome=Outcome.HOPPED)
        match message:
            case GroupStart():
                return self.lists.start(message, receipt=receipt, deadline=deadline)
            case ListCancel():
                return self._cancel(message, deadline)
            case CacheWrite():
                return self.cache.handle(message, deadline=deadline)
            case TaskMessage():
                place = place_of(message.task_id)
                if place is not None:
                    return self.lists.run(message, place, receipt=receipt, deadline=deadline)
                return self._run(message, receipt, deadline)

    def _is_due(self, message: TaskMessage | GroupStart | CacheWrite) -> bool:
        """Whether the time of a message has come, now or after a short pause."""
        if message.not_before is None:
            return True
        rest = message.not_before - self.clock()
        if rest > timedelta():
            self.pause((min(rest, PACE) if rest <= LONG else HOP_PAUSE).total_seconds())
        return rest <= PACE

    def _cancel(self, message: ListCancel, deadline: datetime) -> Step:
        task_list = self.canceller.complete(message)
        if task_list is None:
            return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)
        self.cache.list_ended(task_list, deadline=deadline)
        return Step(handled=Handled.DELETE, outcome=Outcome.CANCELLED)

    def _run(self, message: TaskMessage, receipt: str, deadline: datetime) -> Step:
        taken = self.tasks.run(message, receipt=receipt, deadline=deadline)
        try:
            return self._follow(taken, deadline)
        except Unavailable as reason:
            raise Interrupted(reason, taken.step) from reason

    def _follow(self, taken: TaskStep, deadline: datetime) -> Step:
        """Do what follows the end of a task, now or before."""
        task = taken.task
        if task is not None and taken.ended is State.DONE:
            namespace, scope = task.cache_namespace, task.cache_scope
            self.cache.task_done(task.id, taken.result, namespace=namespace, scope=scope, deadline=deadline)
        if task is not None and taken.ended is State.FAILED:
            notice = self.notifier.tell(task.id, task.template)
            return replace(taken.step, notices=(notice,) if notice is not None else ())
        return taken.step
