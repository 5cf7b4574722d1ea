"""Handling what comes out of the task queue: one message in hand, one step to take."""

from dataclasses import dataclass
from datetime import datetime

from task_service.domain.messages import CacheWrite, GroupStart, ListCancel, QueueMessage, TaskMessage
from task_service.domain.outcome import Handled, Outcome, Step
from task_service.domain.task import State, place_of
from task_service.usecases.cancel import Canceller
from task_service.usecases.run_list import ListRunner
from task_service.usecases.run_task import TaskRunner
from task_service.usecases.write_cache import CacheWriter


@dataclass(kw_only=True, eq=False, repr=False)
class MessageHandler:
    """Handles the messages of the task queue."""

    tasks: TaskRunner
    lists: ListRunner
    canceller: Canceller
    cache: CacheWriter

    def handle(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Take the step that `message` asks for; everything ends before `deadline`.

        Raises Unavailable if the step has to be repeated; nothing is lost then.
        """
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

    def _cancel(self, message: ListCancel, deadline: datetime) -> Step:
        task_list = self.canceller.complete(message)
        if task_list is None:
            return Step(handled=Handled.DELETE, outcome=Outcome.FINISHED)
        self.cache.list_ended(task_list, deadline=deadline)
        return Step(handled=Handled.DELETE, outcome=Outcome.CANCELLED)

    def _run(self, message: TaskMessage, receipt: str, deadline: datetime) -> Step:
        taken = self.tasks.run(message, receipt=receipt, deadline=deadline)
        task = taken.task
        if task is not None and taken.ended is State.DONE:
            namespace, scope = task.cache_namespace, task.cache_scope
            self.cache.task_done(task.id, taken.result, namespace=namespace, scope=scope, deadline=deadline)
        return taken.step
