"""Creating a task: acknowledged means durable."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from task_service.adapters.template_cache import TemplateCache
from task_service.domain.errors import NotFound, Unavailable
from task_service.domain.limits import check_payload
from task_service.domain.task import Message, State, Task
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.ports import Bodies, Clock, TaskLists, TaskQueue, Tasks

log: Final = logging.getLogger("task")


@dataclass(kw_only=True, eq=False, repr=False)
class TaskCreator:
    """Creates tasks."""

    templates: TemplateCache[TaskTemplate]
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
            self.queue.send(task.message())
        except Unavailable:
            take_back(self.tasks, task.id)
            raise
        return task.id

    def write_once(self, task_id: str, name: str, payload: str) -> tuple[Message, bool]:
        """Write the task of this id, unless there is one; returns its first message, and whether there was none.

        For whoever does this again and again until the message is sent too: a record whose message could not be sent
        stays, the next time finds it, and a message too many does no harm. Raises as `create`.
        """
        task = self.draft(name, payload)(task_id)
        return task.message(), self.tasks.add(task) is None

    # -- the steps, for whoever takes them one by one

    @property
    def records(self) -> Tasks:
        """Where tasks are written."""
        return self.tasks

    def draft(
        self, name: str, payload: str, *, cache_namespace: str = "", cache_scope: str = ""
    ) -> Callable[[str], Task]:
        """Check what is asked for; what it returns makes the record of an id. Raises BadRequest, TooLarge, NotFound."""
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
        """Whether a task that was found shows that its first message has been taken."""
        return task.shown_state is not State.CREATED

    def first_message(self, task: Task) -> Message:
        """The message that makes a task start."""
        return task.message()


def take_back(records: Tasks | TaskLists, record_id: str) -> None:
    """Remove a record without a message. Where that fails too it stays until its retention ends: nobody was told its
    id, and no message will start it."""
    try:
        records.remove(record_id)
    except Unavailable as error:
        about = {"action": "take_back", "record_id": record_id, "reason": str(error)}
        log.warning("record without message stays", extra=about)
