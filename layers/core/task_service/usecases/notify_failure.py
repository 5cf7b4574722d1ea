"""Telling of a task that has failed for good: creating the task that its template names for this.

An executor does it with the message in hand, also if it finds a task failed: the one that ended the task may have
stopped before it could. The id of the notice follows from the task's, so the notice is created once, however often this
is repeated. After a replay no executor finds the failure any more, and in a cancelled list no executor comes to it; so
both tell of it first.
"""

from dataclasses import dataclass, replace

from task_service.domain.errors import BadRequest, NotFound
from task_service.domain.messages import message_of
from task_service.domain.notice import Notice, notice_id, notice_request
from task_service.domain.order import Order
from task_service.domain.task import State
from task_service.domain.template import TaskTemplate
from task_service.domain.trace import work_in
from task_service.ports import TaskQueue, Tasks, UnitOfWork
from task_service.usecases.create_task import TaskCreator


@dataclass(kw_only=True, eq=False, repr=False)
class FailureNotifier:
    """Creates notices."""

    creator: TaskCreator
    tasks: Tasks
    queue: TaskQueue
    unit_of_work: UnitOfWork

    def tell(self, task_id: str, template: TaskTemplate | None) -> Notice | None:
        """Create the notice of a failed task of this template; None: its template wants none. Raises Unavailable.

        A notice has no notice of its own.
        """
        if template is None or not template.failure_task:
            return None
        task = self.tasks.get(task_id)
        if task is None or task.state is not State.FAILED or task.context.is_notice:
            return None
        notice = Notice(task_id=task.id, name=template.failure_task, notice_id=notice_id(task))
        context = replace(task.context, is_notice=True)
        order = Order(name=notice.name, payload=notice_request(task), context=context)
        try:
            draft = self.creator.draft(order)
        except (NotFound, BadRequest) as refusal:
            return replace(notice, missed=refusal.message)
        record = draft(notice.notice_id)
        with self.unit_of_work():
            present = self.tasks.add(record)
            if present is None or not self.creator.has_started(present):
                self.queue.send(message_of(record))
        # What this thread does next is for the task.
        work_in(task.context.trace)
        return replace(notice, is_new=present is None)
