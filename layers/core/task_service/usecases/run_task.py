"""One attempt of a task: claimed, called, and written down how it ended.

Every step can be repeated from any point of a crash, because the message is deleted only after it:

    claim ──► call ──► finish                     the message is done with
                  └──► retry(n + 1) ──► send      the message of n is done with, n + 1 is in the queue

A task that cannot be claimed, because the table is not to be had, is put off with a new message: SQS shall count
crashes only. A crash before `finish` or `retry` brings the message back after its visibility timeout, when the lease
has ended: the task is claimed again. A crash between `retry` and `send` brings it back too; it finds attempt n + 1
written and sends that attempt's message.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, TypeVar
from uuid import uuid4

from task_service.domain import json_text
from task_service.domain.errors import Unavailable
from task_service.domain.retry import Answered, Refused, decide, is_accepted
from task_service.domain.task import Body, Decision, Done, Failed, Message, QueueMessage, Retry, State, Task
from task_service.domain.template import TaskTemplate
from task_service.ports import (
    Bodies,
    CallRefused,
    Clock,
    Draw,
    HttpCall,
    HttpTarget,
    Pause,
    PolicyEngine,
    TaskQueue,
    Tasks,
)

log: Final = logging.getLogger("task")
T = TypeVar("T")

MAX_DELAY_SECONDS: Final = 900
"""The longest delay SQS takes
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html); longer ones hop."""

PUT_OFF_SECONDS: Final = 20
"""Up to that long what cannot be started waits for the table to be there again."""

MARGIN: Final = timedelta(seconds=5)
"""What is kept of a lease for writing down how the attempt ended, after the longest call."""

_POLICY_PAUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between the evaluations of a policy that is not to be had at the moment, before the attempt is given up."""

_BODYLESS_METHODS: Final = frozenset({"GET", "HEAD"})


class Handled(Enum):
    """What is to happen to the message."""

    DELETE = "delete"
    """It is done with."""
    KEEP = "keep"
    """It has to come again."""


class Event(StrEnum):
    """What taking a message came to."""

    DONE = "done"
    FAILED = "failed"
    RETRIED = "retried"
    """The attempt failed, the next one is in the queue."""
    FINISHED = "finished"
    """The task had ended before."""
    LEASED = "leased"
    """Somebody else works on the task."""
    LOST = "lost"
    """The lease had ended before the attempt did, and somebody else has taken over; or the task was cancelled."""
    HOPPED = "hopped"
    """It is too early; the message was sent on."""
    RESENT = "resent"
    """Another attempt is due; its message was sent again."""
    PUT_OFF = "put off"
    """Nothing could be read or claimed; it was sent again for later."""
    CACHED = "cached"
    """Written to the cache service."""
    GIVEN_UP = "given up"
    """The cache service will never take it."""
    UNKNOWN = "unknown"
    """There is no record: the creation was refused, or the retention has ended."""
    HANDED_OVER = "handed over"
    """Time was short; a message for the rest was sent."""
    CANCELLED = "cancelled"
    """A list was cancelled, or the rest of that was done."""
    MOVED_ON = "moved on"
    """A list was moved on without running a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """An attempt that was made."""

    event: Event
    task: Task
    """As it was claimed."""
    decision: Decision
    ended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What handling a message came to."""

    handled: Handled
    event: Event
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a task of a list does; its own record does not say."""

    template: TaskTemplate
    request: Callable[[], str]
    birth: Task
    """Its record, which is written when it is first claimed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What taking a task's message came to."""

    handled: Handled
    event: Event
    task: Task | None = None
    """As it was claimed, or as it was found."""
    run: Run | None = None
    result: Body | None = None
    """Of a task that is done, now or before."""

    @property
    def ended(self) -> State | None:
        """How the task has ended, now or before; None where it has not, or nobody knows."""
        if self.event is Event.FINISHED:
            return self.task.state if self.task is not None else None
        return {Event.DONE: State.DONE, Event.FAILED: State.FAILED}.get(self.event)

    @property
    def step(self) -> Step:
        """The same, for a task on its own."""
        return Step(handled=self.handled, event=self.event, runs=(self.run,) if self.run else ())


@dataclass(kw_only=True, eq=False, repr=False)
class TaskRunner:
    """Makes the attempts of tasks."""

    tasks: Tasks
    queue: TaskQueue
    bodies: Bodies
    target: HttpTarget
    policies: PolicyEngine
    clock: Clock
    draw: Draw
    pause: Pause
    default_max_attempts: int
    user_agent: str

    def take(self, message: Message, *, receipt: str, deadline: datetime, work: Work | None = None) -> Taken:
        """Make the attempt that `message` asks for; everything ends before `deadline`, also the lease.

        Raises Unavailable where the step has to be repeated; nothing is lost then.
        """
        now = self.clock()
        if message.not_before is not None and message.not_before > now:
            self._send(message)
            return Taken(handled=Handled.DELETE, event=Event.HOPPED)
        birth = work.birth if work else None
        try:
            self.open_replay(message)
            claim = self.tasks.claim(message, now=now, lease_until=deadline, holder=uuid4().hex, birth=birth)
        except Unavailable as reason:
            return Taken(handled=Handled.DELETE, event=self.put_off(message, reason))
        if not claim.won or claim.task is None:
            return self._not_claimed(message, claim.task, receipt)
        template = work.template if work else claim.task.template
        if template is None:
            raise ValueError(f"task {claim.task.id} has no template")
        try:
            request = work.request() if work else self._own_request(claim.task)
        except Unavailable as reason:
            # The lease stays, so nobody can take the task up before it has ended.
            return Taken(handled=Handled.DELETE, event=self.put_off(message, reason, after=deadline - now))
        return self._run(claim.task, template, request, deadline)

    def open_replay(self, message: Message) -> None:
        """Give the failed task of a replay's first message back; whoever asked for it may have died before that."""
        if message.replay and message.attempt == 1:
            self.tasks.replay(message.task_id, number=message.replay)

    def put_off(self, message: QueueMessage, reason: Unavailable, *, after: timedelta = timedelta()) -> Event:
        """Send a message of which nothing has been done again, for later. Raises Unavailable."""
        log.warning(str(reason), extra={"action": "put off"})
        delay = after + timedelta(seconds=1 + self.draw() * PUT_OFF_SECONDS)
        self.queue.send(message, delay_seconds=_whole_seconds(delay))
        return Event.PUT_OFF

    def _not_claimed(self, message: Message, task: Task | None, receipt: str) -> Taken:
        if task is None:
            return Taken(handled=Handled.DELETE, event=Event.UNKNOWN)
        if task.state is State.PENDING and task.lease_until is not None:
            # Somebody works on it, and their own message guards it; this one looks again when the lease has ended.
            wait = task.lease_until - self.clock()
            self.queue.postpone(receipt, seconds=_whole_seconds(wait))
            return Taken(handled=Handled.KEEP, event=Event.LEASED, task=task)
        if task.state is State.CREATED and task.replay == message.replay and task.attempt > message.attempt:
            # The holder may have died between writing the next attempt and sending its message.
            self._send(task.message())
            return Taken(handled=Handled.DELETE, event=Event.RESENT, task=task)
        return Taken(handled=Handled.DELETE, event=Event.FINISHED, task=task, result=task.result)

    def _run(self, task: Task, template: TaskTemplate, request: str, deadline: datetime) -> Taken:
        outcome = self._attempt(task, template, request, deadline)
        now = self.clock()
        decision = decide(
            outcome,
            attempt=task.attempt,
            policy=template.retry,
            default_max_attempts=self.default_max_attempts,
            accept=template.accept_status,
            now=now,
            draw=self.draw(),
        )
        result: Body | None = None
        if isinstance(decision, Retry):
            event = self._retry(task, decision, now, deadline)
        else:
            event, result = self._finish(task, decision, now, deadline)
        run = Run(event=event, task=task, decision=decision, ended_at=now)
        return Taken(handled=Handled.DELETE, event=event, task=task, run=run, result=result)

    def _own_request(self, task: Task) -> str:
        if task.request is None:
            raise ValueError(f"task {task.id} has no request")
        return self.bodies.load(task.request)

    def _attempt(self, task: Task, template: TaskTemplate, request: str, deadline: datetime) -> Answered | Refused:
        """Make the call, or evaluate the request policy, and apply the policies to the response."""
        budget_ends = min(self.clock() + template.timeout, deadline - MARGIN)
        try:
            if template.request_policy:
                answer = Answered(
                    status=200, result=self.policies.evaluate(template.request_policy, request, deadline=budget_ends)
                )
            else:
                answer = self.target.call(self._http_call(task, template, request), deadline=budget_ends)
            if not is_accepted(answer.status, template.accept_status):
                # No answer to make something of: the attempt has failed.
                return answer
            for policy in filter(None, (template.response_policy, template.final_policy)):
                result = self._evaluate(policy, answer.result, budget_ends)
                answer = Answered(status=answer.status, result=result, retry_after=answer.retry_after)
        except CallRefused as refusal:
            return Refused(reason=refusal.reason, can_retry=refusal.can_retry, response_code=refusal.response_code)
        fault = json_text.too_large(answer.result)
        if fault:
            return Refused(reason=f"the result is too large: {fault}", can_retry=False, response_code=answer.status)
        return answer

    def _evaluate(self, policy: str, response: str, budget_ends: datetime) -> str:
        """A policy's result for a response. The call was made: giving up soon would mean making it again."""
        for pause in _POLICY_PAUSES:
            try:
                return self.policies.evaluate(policy, response, deadline=budget_ends)
            except CallRefused as refusal:
                if not refusal.can_retry or self.clock() + timedelta(seconds=pause) >= budget_ends:
                    raise
            self.pause(pause)
        return self.policies.evaluate(policy, response, deadline=budget_ends)

    def _http_call(self, task: Task, template: TaskTemplate, request: str) -> HttpCall:
        headers = {"User-Agent": self.user_agent, "Accept": "*/*"}
        body = None if template.method in _BODYLESS_METHODS else request
        if body is not None:
            headers["Content-Type"] = "application/json"
        names = {name.lower() for name in template.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in names}
        headers |= template.headers
        headers["Idempotency-Key"] = task.id
        return HttpCall(method=template.method, url=template.url, headers=headers, body=body)

    def _finish(self, task: Task, end: Done | Failed, now: datetime, deadline: datetime) -> tuple[Event, Body | None]:
        result: Body | None = None
        if isinstance(end, Done):
            text, key = end.result, f"results/{task.id}/{task.attempt}"
            result = self._insist(lambda: self.bodies.store(key, text), deadline)
        if not self._insist(lambda: self.tasks.finish(task, end, result=result, now=now), deadline):
            return Event.LOST, None
        return Event.DONE if isinstance(end, Done) else Event.FAILED, result

    def _retry(self, task: Task, decision: Retry, now: datetime, deadline: datetime) -> Event:
        not_before = now + decision.delay
        if not self._insist(lambda: self.tasks.retry(task, decision, not_before=not_before), deadline):
            return Event.LOST
        self._send(Message(task_id=task.id, attempt=task.attempt + 1, not_before=not_before, replay=task.replay))
        return Event.RETRIED

    def _send(self, message: Message) -> None:
        self.queue.send(message, delay_seconds=delay_seconds(message.not_before, self.clock()))

    def _insist(self, write: Callable[[], T], deadline: datetime) -> T:
        """Repeat `write` for as long as the lease allows: the call was made, giving up means making it again."""
        pause = 0.1
        while True:
            try:
                return write()
            except Unavailable as error:
                if self.clock() + timedelta(seconds=pause) >= deadline:
                    raise
                log.warning("write refused, repeated", extra={"action": "insist", "reason": str(error)})
                self.pause(pause)
                pause = min(pause * 2, 5.0)


def delay_seconds(not_before: datetime | None, now: datetime) -> int:
    """How long the queue is to delay a message that is due then, as long as it can."""
    return min(_whole_seconds(not_before - now), MAX_DELAY_SECONDS) if not_before else 0


def _whole_seconds(wait: timedelta) -> int:
    """`wait` in whole seconds, rounded up: SQS delays by no less."""
    return max(0, math.ceil(wait.total_seconds()))
