"""Writing what has ended to the cache service: a step of its own, which never repeats a call of a target."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from task_service.domain.retry import backoff
from task_service.domain.task import Body, CacheWrite, State
from task_service.domain.template import RetryPolicy
from task_service.ports import Bodies, CallRefused, Clock, Draw, ResultCache, TaskQueue, Tasks
from task_service.usecases.read_list import ListReader
from task_service.usecases.run_task import Event, Handled, Step, delay_seconds

log: Final = logging.getLogger("task")

RETRY: Final = RetryPolicy(min_delay=timedelta(seconds=2), max_delay=timedelta(hours=1))
"""As often as it takes, until the retention of what is written ends: with 30 days, some 3,600 messages."""

PATIENCE: Final = timedelta(seconds=1)
"""A refusal that takes no longer holds nobody up."""

REST: Final = timedelta(seconds=30)
"""For so long a process leaves a cache service alone whose refusal took longer, and all writes to the queue."""

TRIAL: Final = timedelta(seconds=10)
"""For so long all but one thread leave it alone after a rest: longer than the write of that one takes."""


@dataclass(kw_only=True, eq=False, repr=False)
class CacheWriter:
    """Writes results and list states to the cache service, once they have ended."""

    cache: ResultCache
    tasks: Tasks
    lists: ListReader
    bodies: Bodies
    queue: TaskQueue
    clock: Clock
    draw: Draw
    _rests_until: datetime | None = field(default=None, init=False)
    """Until when the cache service is left alone, None where it is not."""
    _lock: Lock = field(default_factory=Lock, init=False)

    def handle(self, message: CacheWrite, *, deadline: datetime) -> Step:
        """Make the write that `message` asks for, or send it on. Raises Unavailable."""
        if message.not_before is not None and message.not_before > self.clock():
            self._send(message)
            return Step(handled=Handled.DELETE, event=Event.HOPPED)
        text = self._text(message)
        if text is None:
            # Its retention has ended, or it has started again.
            return Step(handled=Handled.DELETE, event=Event.UNKNOWN)
        return Step(handled=Handled.DELETE, event=self._write(message, text, deadline))

    def write(self, message: CacheWrite, result: Body | None, *, deadline: datetime) -> None:
        """Write at once what has just ended; where the cache service refuses, later. Raises Unavailable.

        `result` is a task's; a list's status is read.
        """
        text = self.bodies.load(result) if result is not None else self._text(message)
        if text is not None:
            self._write(message, text, deadline)

    def write_later(self, message: CacheWrite) -> None:
        """Let an executor write it. Raises Unavailable."""
        self.queue.send(message)

    def _write(self, message: CacheWrite, text: str, deadline: datetime) -> Event:
        if not self._may_try():
            self._send_again(message)
            return Event.HOPPED
        refusal = self._try(message, text, deadline)
        if refusal is None:
            return Event.CACHED
        about = {"action": "cache", "key": message.key, "attempt": message.attempt, "reason": refusal.reason}
        if not refusal.can_retry:
            log.error("cache write refused, given up", extra=about)
            return Event.GIVEN_UP
        log.warning("cache write refused, comes again", extra=about)
        self._send_again(message)
        return Event.RETRIED

    def _may_try(self) -> bool:
        """Whether the cache service is to be tried now. After a rest one thread does, for all."""
        with self._lock:
            now = self.clock()
            if self._rests_until is None:
                return True
            if now < self._rests_until:
                return False
            self._rests_until = now + TRIAL
            return True

    def _try(self, message: CacheWrite, text: str, deadline: datetime) -> CallRefused | None:
        started_at = self.clock()
        try:
            self.cache.write(message.key, text, namespace=message.namespace, scope=message.scope, deadline=deadline)
        except CallRefused as refusal:
            now = self.clock()
            self._rests_until = now + REST if now - started_at > PATIENCE else None
            return refusal
        self._rests_until = None
        return None

    def _send_again(self, message: CacheWrite) -> None:
        now = self.clock()
        delay = backoff(message.attempt, RETRY, self.draw())
        not_before = max(now, self._rests_until or now) + delay
        self._send(replace(message, attempt=message.attempt + 1, not_before=not_before))

    def _text(self, message: CacheWrite) -> str | None:
        """What is to be written, None where it is no longer there."""
        if message.is_list:
            overview = self.lists.find(message.key)
            # One that is replayed meanwhile is written when it ends again.
            ended = overview is not None and overview.state.is_final
            return self.lists.status_text(overview) if overview is not None and ended else None
        task = self.tasks.get(message.key)
        if task is None or task.state is not State.DONE or task.result is None or task.expires_at <= self.clock():
            return None
        return self.bodies.load(task.result)

    def _send(self, message: CacheWrite) -> None:
        self.queue.send(message, delay_seconds=delay_seconds(message.not_before, self.clock()))
