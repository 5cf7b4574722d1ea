"""Creating a task: its record and its message, which `creator` makes durable together."""

from collections.abc import Callable
from dataclasses import dataclass

from task_service.domain.errors import NotFound
from task_service.domain.limits import check_payload
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.order import Order
from task_service.domain.start import body_prefix
from task_service.domain.task import State, Task
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.domain.trace import work_in
from task_service.ports import KnownTemplates, Tasks
from task_service.usecases.creator import Creator


@dataclass(kw_only=True, eq=False, repr=False)
class TaskCreator(Creator[Task]):
    """Creates tasks."""

    templates: KnownTemplates[TaskTemplate]
    tasks: Tasks

    @property
    def records(self) -> Tasks:
        return self.tasks

    def write_once(self, task_id: str, order: Order) -> tuple[TaskMessage, bool]:
        """Write the task of this id, unless there is one; returns its first message, and whether there was none.

        The caller repeats this until it has sent the message too: a record without a message stays, the next call finds
        it, and a second message does no harm. Raises as `create`.
        """
        task = self.draft(order)(task_id)
        present = self.tasks.add(task)
        work_in((present or task).context.trace)
        return message_of(task), present is None

    def draft(self, order: Order) -> Callable[[str], Task]:
        """Check the order; returns what makes the task of an id. Raises BadRequest, TooLarge, NotFound."""
        check_payload(order.payload)
        template = self.templates.get(order.name)
        if template is None:
            raise NotFound.template(TemplateKind.TASK)
        context = order.context.traced(starts=self.starts_traces)
        work_in(context.trace)

        def task(task_id: str) -> Task:
            now = self.clock()
            due_at = order.start.due_at(now)
            return Task(
                id=task_id,
                name=template.name,
                template=template,
                request=self.bodies.store(f"{body_prefix(due_at)}/{task_id}", order.payload),
                cache_namespace=order.cache_namespace or template.cache_namespace,
                cache_scope=order.cache_scope or template.cache_scope,
                state=State.CREATED,
                attempt=1,
                created_at=now,
                expires_at=(due_at or now) + self.retention,
                not_before=due_at,
                context=context,
                queue_group=order.start.group,
            )

        return task

    def has_started(self, task: Task) -> bool:
        return task.shown_state is not State.CREATED

    def first_message(self, task: Task) -> TaskMessage:
        return message_of(task)
