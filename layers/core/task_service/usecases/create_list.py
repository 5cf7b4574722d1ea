"""Creating a task list: one record and one message, whatever its length, which `creator` makes durable together."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from task_service.domain.errors import NotFound
from task_service.domain.limits import check_list_size, check_payload
from task_service.domain.messages import GroupStart
from task_service.domain.order import Order
from task_service.domain.start import body_prefix
from task_service.domain.task import State
from task_service.domain.task_list import Plan, TaskList, TaskListTemplate
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.domain.trace import work_in
from task_service.ports import CachedTemplates, TaskLists
from task_service.usecases.creator import Creator


@dataclass(kw_only=True, eq=False, repr=False)
class ListCreator(Creator[TaskList]):
    """Creates task lists."""

    list_templates: CachedTemplates[TaskListTemplate]
    task_templates: CachedTemplates[TaskTemplate]
    lists: TaskLists

    @property
    def records(self) -> TaskLists:
        return self.lists

    def draft(self, order: Order) -> Callable[[str], TaskList]:
        """Check the order; returns what makes the list of an id. Raises BadRequest, TooLarge, NotFound."""
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
        if task_list.state is not State.CREATED:
            return True
        records = self.lists.records(task_list.id)
        return records is not None and bool(records.groups)

    def first_message(self, task_list: TaskList) -> GroupStart:
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
