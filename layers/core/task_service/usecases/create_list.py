"""Creating a task list: one record and one message, whatever its length."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from uuid import uuid4

from task_service.domain.errors import NotFound, Unavailable
from task_service.domain.limits import check_list_size, check_payload
from task_service.domain.messages import GroupStart
from task_service.domain.order import Order
from task_service.domain.start import body_prefix
from task_service.domain.task import State
from task_service.domain.task_list import Plan, TaskList, TaskListTemplate
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.domain.trace import work_in
from task_service.ports import Bodies, CachedTemplates, Clock, TaskLists, TaskQueue, UnitOfWork
from task_service.usecases.withdraw import Withdrawals


@dataclass(kw_only=True, eq=False, repr=False)
class ListCreator:
    """Creates task lists."""

    list_templates: CachedTemplates[TaskListTemplate]
    task_templates: CachedTemplates[TaskTemplate]
    lists: TaskLists
    queue: TaskQueue
    unit_of_work: UnitOfWork
    bodies: Bodies
    clock: Clock
    retention: timedelta
    starts_traces: bool = False
    """Whether a creation that comes in no trace gets a new one."""

    @cached_property
    def _withdrawals(self) -> Withdrawals[TaskList]:
        return Withdrawals(records=self.lists, has_started=self.has_started)

    def create(self, order: Order) -> str:
        """Create a list; returns its id.

        On return the record is in the table and its message in the queue. Raises BadRequest, TooLarge, NotFound,
        and Unavailable, after which the list does not run unless the queue took the message without saying so.
        """
        task_list = self.draft(order)(str(uuid4()))
        try:
            with self.unit_of_work():
                self.lists.add(task_list)
                self.queue.send(self.first_message(task_list), due_at=task_list.not_before)
        except Unavailable:
            self._withdrawals.withdraw(task_list.id)
            raise
        self._withdrawals.go_on()
        return task_list.id

    # -- the steps one by one, for creating with an idempotency key

    @property
    def records(self) -> TaskLists:
        """Where lists are written."""
        return self.lists

    def draft(self, order: Order) -> Callable[[str], TaskList]:
        """Check the order; returns what makes the record of an id. Raises BadRequest, TooLarge, NotFound."""
        check_payload(order.payload)
        plan = self._plan(order.name)
        context = order.context.traced(starts=self.starts_traces)
        work_in(context.trace)

        def task_list(list_id: str) -> TaskList:
            now = self.clock()
            due_at = order.start.due_at(now)
            prefix = body_prefix(due_at)
            return TaskList(
                id=list_id,
                name=plan.template.name,
                # Under a key of its own: a list that exists already keeps its plan.
                plan=self.bodies.store(f"{prefix}/{list_id}/plan/{uuid4()}", plan.to_text()),
                request=self.bodies.store(f"{prefix}/{list_id}", order.payload),
                cache_namespace=order.cache_namespace or plan.template.cache_namespace,
                cache_scope=order.cache_scope or plan.template.cache_scope,
                state=State.CREATED,
                created_at=now,
                expires_at=(due_at or now) + self.retention,
                not_before=due_at,
                context=context,
                queue_group=order.start.group,
            )

        return task_list

    def has_started(self, task_list: TaskList) -> bool:
        """Whether an executor has handled the first message of a list that was found."""
        if task_list.state is not State.CREATED:
            return True
        records = self.lists.records(task_list.id)
        return records is not None and bool(records.groups)

    def first_message(self, task_list: TaskList) -> GroupStart:
        """The message that makes a list start."""
        return GroupStart(list_id=task_list.id, not_before=task_list.not_before, queue_group=task_list.turn)

    def _plan(self, name: str) -> Plan:
        """The list template with the task templates it refers to."""
        template = self.list_templates.get(name)
        if template is None:
            raise NotFound.template(TemplateKind.TASK_LIST)
        check_list_size([len(group.tasks) for group in template.groups])
        tasks = {task: self.task_templates.get(task) for task in template.task_names}
        missing = [task for task, found in tasks.items() if found is None]
        if missing:
            raise NotFound.tasks_of_list(missing)
        return Plan(template=template, tasks={task: found for task, found in tasks.items() if found is not None})
