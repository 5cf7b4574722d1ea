"""Writing what has ended to the cache service: a step of its own, which never repeats a target's call."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from task_service.domain.call import CallRefused
from task_service.domain.messages import CacheWrite
from task_service.domain.outcome import Handled, Outcome, Step
from task_service.domain.retry import backoff
from task_service.domain.task import Body, State
from task_service.domain.task_list import TaskList
from task_service.domain.template import RetryPolicy
from task_service.domain.trace import work_in
from task_service.ports import Bodies, Clock, Draw, ResultCache, TaskQueue, Tasks
from task_service.usecases.read_list import ListReader

log: Final = logging.getLogger("task")

RETRY: Final = RetryPolicy(min_delay=timedelta(seconds=2), max_delay=timedelta(hours=1))
"""Retries go on until the retention of the result ends: with 30 days, some 3,600 messages."""

PATIENCE: Final = timedelta(seconds=1)
"""A refusal within this time delays no other task."""

REST: Final = timedelta(seconds=30)
"""After a slower refusal this process leaves the cache service alone for so long, and sends all writes to the queue."""

TRIAL: Final = timedelta(seconds=10)
"""After a rest, one thread tries; the others go on resting for so long, which is longer than one write takes."""


@dataclass(kw_only=True, eq=False, repr=False)
class CacheWriter:
    """Writes results and list states to the cache service, once they have ended."""

    cache: ResultCache | None
    """None: there is no cache service, and nothing is written."""
    tasks: Tasks
    lists: ListReader
    bodies: Bodies
    queue: TaskQueue
    clock: Clock
    draw: Draw
    _rests_until: datetime | None = field(default=None, init=False)
    """The end of the time in which the cache service is left alone; None: it is not."""
    _lock: Lock = field(default_factory=Lock, init=False)

    def task_done(self, task_id: str, result: Body | None, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write the result of a task that is done, at once or, if the cache service refuses, later. Raises Unavailable.

        Also for a task that was found done: the executor that ended it may have stopped before this write.
        """
        message = CacheWrite(key=task_id, is_list=False, namespace=namespace, scope=scope)
        if result is None:
            self.handle(message, deadline=deadline)
        elif self.cache is not None:
            self._write(self.cache, message, self.bodies.load(result), deadline)

    def list_ended(self, task_list: TaskList, *, deadline: datetime) -> None:
        """Write the status of a list that has ended, at once or, if the cache service refuses, later.

        Raises Unavailable.
        """
        self.handle(_list_write(task_list), deadline=deadline)

    def list_ended_unwatched(self, task_list: TaskList) -> None:
        """Let an executor write the status of a list that has ended. Raises Unavailable."""
        if self.cache is not None:
            self.queue.send(_list_write(task_list))

    def handle(self, message: CacheWrite, *, deadline: datetime) -> Step:
        """Make the write that `message` asks for, or send it again. Raises Unavailable."""
        if self.cache is None or (text := self._text(message)) is None:
            # There is no cache service; or its retention has ended, or it was replayed.
            return Step(handled=Handled.DELETE, outcome=Outcome.UNKNOWN)
        return Step(handled=Handled.DELETE, outcome=self._write(self.cache, message, text, deadline))

    def _write(self, cache: ResultCache, message: CacheWrite, text: str, deadline: datetime) -> Outcome:
        if not self._may_try():
            self._send_again(message)
            return Outcome.HOPPED
        refusal = self._try(cache, message, text, deadline)
        if refusal is None:
            return Outcome.CACHED
        about = {"action": "cache", "key": message.key, "attempt": message.attempt, "reason": refusal.reason}
        if not refusal.can_retry:
            log.error("cache write refused, given up", extra=about)
            return Outcome.GIVEN_UP
        log.warning("cache write refused, comes again", extra=about)
        self._send_again(message)
        return Outcome.RETRIED

    def _may_try(self) -> bool:
        """Whether this thread may call the cache service now. After a rest one thread may, for all."""
        with self._lock:
            now = self.clock()
            if self._rests_until is None:
                return True
            if now < self._rests_until:
                return False
            self._rests_until = now + TRIAL
            return True

    def _try(self, cache: ResultCache, message: CacheWrite, text: str, deadline: datetime) -> CallRefused | None:
        started_at = self.clock()
        try:
            cache.write(message.key, text, namespace=message.namespace, scope=message.scope, deadline=deadline)
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
        later = replace(message, attempt=message.attempt + 1, not_before=not_before, crashes=0)
        self.queue.send(later, due_at=not_before)

    def _text(self, message: CacheWrite) -> str | None:
        """The text that is to be written; None: it is no longer there."""
        if message.is_list:
            overview = self.lists.find(message.key)
            # A list that is replayed meanwhile is written when it ends again.
            ended = overview is not None and overview.state.is_final
            return self.lists.status_text(overview) if overview is not None and ended else None
        task = self.tasks.get(message.key)
        if task is None or task.state is not State.DONE or task.result is None or task.expires_at <= self.clock():
            return None
        work_in(task.context.trace)
        return self.bodies.load(task.result)


def _list_write(task_list: TaskList) -> CacheWrite:
    namespace, scope = task_list.cache_namespace, task_list.cache_scope
    return CacheWrite(key=task_list.id, is_list=True, namespace=namespace, scope=scope)
