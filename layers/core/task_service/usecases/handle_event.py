"""Handling cache events: one task for each event that an event task waits for, however often it is delivered."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from task_service.domain import json_text
from task_service.domain.cloud_event import CloudEvent, MalformedEvent, from_envelope
from task_service.domain.context import Context
from task_service.domain.errors import BadRequest, NotFound
from task_service.domain.event_task import CACHE_SET, CacheEntry, EventTask
from task_service.domain.limits import MAX_NAME_BYTES
from task_service.domain.messages import TaskMessage
from task_service.domain.order import Order
from task_service.domain.template import TaskTemplate
from task_service.domain.trace import Trace, current_trace
from task_service.ports import CachedTemplates, TaskQueue
from task_service.usecases.create_task import TaskCreator

log: Final = logging.getLogger("task")

_NO_TEMPLATE: Final = "the event task's task template does not exist"


class EventOutcome(StrEnum):
    """The outcome of handling an event."""

    CREATED = "created"
    """A task was created."""
    REPEATED = "repeated"
    """Its task exists already; the task's message is sent again."""
    UNMATCHED = "unmatched"
    """No event task waits for it; dropped."""
    MALFORMED = "malformed"
    """It is not a valid event; dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventHandling:
    """The result of handling an event."""

    outcome: EventOutcome
    reason: str | None = None
    """Why it was dropped."""
    event: CloudEvent | None = None
    task_name: str | None = None
    message: TaskMessage | None = None
    """The task's first message, which is sent before the event's message is deleted."""
    trace: Trace | None = None
    """The task's."""


@dataclass(kw_only=True, eq=False, repr=False)
class EventHandler:
    """Handles the messages of the event queue."""

    event_tasks: CachedTemplates[EventTask]
    task_templates: CachedTemplates[TaskTemplate]
    creator: TaskCreator
    queue: TaskQueue

    def handle(self, message: str) -> EventHandling:
        """Write the task that the event in a message asks for.

        Raises Unavailable where the message has to come again; nothing is lost then.
        """
        event: CloudEvent | None = None
        try:
            event = from_envelope(message)
            if event.type != CACHE_SET:
                return _unmatched(event, f"its type is {event.type[:80]!r}, not {CACHE_SET!r}")
            entry = CacheEntry.of(event)
        except MalformedEvent as fault:
            return EventHandling(outcome=EventOutcome.MALFORMED, reason=str(fault), event=event)
        except MemoryError:
            raise
        except Exception:
            # Reading depends on the message alone: it would fail again each time the message comes.
            log.exception("reading an event failed", extra={"action": "take_event"})
            return EventHandling(outcome=EventOutcome.MALFORMED, reason="the event cannot be read", event=event)
        # The table takes no longer keys; none of its event tasks is meant.
        event_task = self.event_tasks.get(entry.name) if json_text.size(entry.name) <= MAX_NAME_BYTES else None
        if event_task is None:
            return _unmatched(event, "no event task waits for its key, namespace and scope")
        return self._create(event, event_task)

    def send(self, handlings: Iterable[EventHandling]) -> int:
        """Send the messages of these events' tasks, ten with a request; returns how many there are.

        Raises Unavailable, after which all of these events have to come again.
        """
        messages = [handling.message for handling in handlings if handling.message is not None]
        self.queue.send_all(messages)
        return len(messages)

    def _create(self, event: CloudEvent, event_task: EventTask) -> EventHandling:
        template = self.task_templates.get(event_task.task_name)
        if template is None:
            return _unmatched(event, _NO_TEMPLATE, event_task)
        if not template.request_policy:
            return _unmatched(event, "the event task's task template has no requestPolicy", event_task)
        order = Order(name=event_task.task_name, payload=event_task.request(), context=Context(trace=event.trace))
        try:
            message, is_new = self.creator.write_once(event_task.task_id(event), order)
        except NotFound:
            return _unmatched(event, _NO_TEMPLATE, event_task)
        except BadRequest as refusal:
            return _unmatched(event, refusal.message, event_task)
        outcome = EventOutcome.CREATED if is_new else EventOutcome.REPEATED
        return EventHandling(
            outcome=outcome, event=event, task_name=event_task.task_name, message=message, trace=current_trace()
        )


def _unmatched(event: CloudEvent, reason: str, event_task: EventTask | None = None) -> EventHandling:
    name = event_task.task_name if event_task else None
    return EventHandling(outcome=EventOutcome.UNMATCHED, reason=reason, event=event, task_name=name)
