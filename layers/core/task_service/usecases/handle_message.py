"""Executing what comes out of the task queue: one message in hand, one step to take."""

from dataclasses import dataclass
from datetime import datetime

from task_service.domain.task import CacheWrite, GroupStart, ListCancel, Message, QueueMessage, State, place_of
from task_service.usecases.cancel import Canceller
from task_service.usecases.run_list import ListRunner
from task_service.usecases.run_task import Event, Handled, Step, TaskRunner
from task_service.usecases.write_cache import CacheWriter


@dataclass(kw_only=True, eq=False, repr=False)
class Execution:
    """Takes the messages of the task queue."""

    attempts: TaskRunner
    lists: ListRunner
    canceller: Canceller
    cache: CacheWriter | None = None
    """None: there is no cache service."""

    def handle(self, message: QueueMessage, *, receipt: str, deadline: datetime) -> Step:
        """Take the step that `message` asks for; everything ends before `deadline`.

        Raises Unavailable where the step has to be repeated; nothing is lost then.
        """
        match message:
            case GroupStart():
                return self.lists.start(message, receipt=receipt, deadline=deadline)
            case ListCancel():
                return self._cancel(message, deadline)
            case CacheWrite():
                if self.cache is None:
                    return Step(handled=Handled.DELETE, event=Event.UNKNOWN)
                return self.cache.handle(message, deadline=deadline)
            case Message():
                place = place_of(message.task_id)
                if place is not None:
                    return self.lists.run(message, place, receipt=receipt, deadline=deadline)
                return self._run(message, receipt, deadline)

    def _cancel(self, message: ListCancel, deadline: datetime) -> Step:
        task_list = self.canceller.go_on(message)
        if task_list is None:
            return Step(handled=Handled.DELETE, event=Event.FINISHED)
        if self.cache is not None:
            namespace, scope = task_list.cache_namespace, task_list.cache_scope
            write = CacheWrite(key=task_list.id, is_list=True, namespace=namespace, scope=scope)
            self.cache.write(write, None, deadline=deadline)
        return Step(handled=Handled.DELETE, event=Event.CANCELLED)

    def _run(self, message: Message, receipt: str, deadline: datetime) -> Step:
        taken = self.attempts.take(message, receipt=receipt, deadline=deadline)
        task = taken.task
        # Also where the task was found finished: whoever finished it may have died before writing to the cache.
        if self.cache is not None and task is not None and taken.ended is State.DONE:
            write = CacheWrite(key=task.id, is_list=False, namespace=task.cache_namespace, scope=task.cache_scope)
            self.cache.write(write, taken.result, deadline=deadline)
        return taken.step
