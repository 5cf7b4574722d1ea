"""Creating a task: acknowledged means durable."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from task_service.domain.errors import NotFound, Unavailable
from task_service.domain.limits import check_payload
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.task import State, Task
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.ports import Bodies, CachedTemplates, Clock, TaskLists, TaskQueue, Tasks

log: Final = logging.getLogger("task")


@dataclass(kw_only=True, eq=False, repr=False)
class TaskCreator:
    """Creates tasks."""

    templates: CachedTemplates[TaskTemplate]
    tasks: Tasks
    queue: TaskQueue
    bodies: Bodies
    clock: Clock
    retention: timedelta

    def create(self, name: str, payload: str, *, cache_namespace: str = "", cache_scope: str = "") -> str:
        """Create a task of the template `name` with the JSON text `payload`; returns its id.

        On return the record is in the table and its message in the queue. Raises BadRequest, TooLarge, NotFound,
        and Unavailable, after which the task does not run unless the queue took the message without saying so.
        """
        task = self.draft(name, payload, cache_namespace=cache_namespace, cache_scope=cache_scope)(str(uuid4()))
        self.tasks.add(task)
        try:
            self.queue.send(message_of(task))
        except Unavailable:
            take_back(self.tasks, task.id)
            raise
        return task.id

    def write_once(self, task_id: str, name: str, payload: str) -> tuple[TaskMessage, bool]:
        """Write the task of this id, unless there is one; returns its first message, and whether there was none.

        The caller repeats this until it has sent the message too: a record without a message stays, the next call finds
        it, and a second message does no harm. Raises as `create`.
        """
        task = self.draft(name, payload)(task_id)
        return message_of(task), self.tasks.add(task) is None

    # -- the steps one by one, for creating with an idempotency key

    @property
    def records(self) -> Tasks:
        """Where tasks are written."""
        return self.tasks

    def draft(
        self, name: str, payload: str, *, cache_namespace: str = "", cache_scope: str = ""
    ) -> Callable[[str], Task]:
        """Check the request; returns what makes the record of an id. Raises BadRequest, TooLarge, NotFound."""
        check_payload(payload)
        template = self.templates.get(name)
        if template is None:
            raise NotFound.template(TemplateKind.TASK)

        def task(task_id: str) -> Task:
            now = self.clock()
            return Task(
                id=task_id,
                name=template.name,
                template=template,
                request=self.bodies.store(f"requests/{task_id}", payload),
                cache_namespace=cache_namespace or template.cache_namespace,
                cache_scope=cache_scope or template.cache_scope,
                state=State.CREATED,
                attempt=1,
                created_at=now,
                expires_at=now + self.retention,
            )

        return task

    def has_started(self, task: Task) -> bool:
        """Whether an executor has handled the first message of a task that was found."""
        return task.shown_state is not State.CREATED

    def first_message(self, task: Task) -> TaskMessage:
        """The message that makes a task start."""
        return message_of(task)


def take_back(records: Tasks | TaskLists, record_id: str) -> None:
    """Remove a record whose message could not be sent.

    If that fails too, the record stays until its retention ends: no client knows its id, and no message starts it.
    """
    try:
        records.remove(record_id)
    except Unavailable as error:
        about = {"action": "take_back", "record_id": record_id, "reason": str(error)}
        log.warning("record without message stays", extra=about)
