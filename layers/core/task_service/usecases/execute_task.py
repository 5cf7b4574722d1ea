"""Executing tasks: one message in hand, one step to take.

Every step can be repeated from any point of a crash, because the message is deleted only after it:

    claim ──► call ──► finish                     the message is done with
                  └──► retry(n + 1) ──► send      the message of n is done with, n + 1 is in the queue

A crash before `finish` or `retry` brings the message back after its visibility timeout, when the lease has ended: the
task is claimed again. A crash between `retry` and `send` brings it back too; it finds attempt n + 1 written and
sends that attempt's message.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeVar
from uuid import uuid4

from task_service.domain import json_text
from task_service.domain.errors import Unavailable
from task_service.domain.retry import Answered, Refused, decide
from task_service.domain.task import Body, Decision, Done, Failed, Message, Retry, State, Task
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

MARGIN: Final = timedelta(seconds=5)
"""What is kept of a lease for writing down how the attempt ended, after the longest call."""

_BODYLESS_METHODS: Final = frozenset({"GET", "HEAD"})
_NO_CONTENT: Final = "null"


class Handled(Enum):
    """What is to happen to the message."""

    DELETE = "delete"
    """It is done with."""
    KEEP = "keep"
    """It has to come again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What handling a message came to."""

    handled: Handled
    event: str
    """done, failed, retried, or why nothing was run: hopped, resent, leased, finished, unknown, lost."""
    task: Task | None = None
    """The task as claimed, where it was run."""
    decision: Decision | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TaskExecution:
    """Runs the attempts of tasks."""

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

    def handle(self, message: Message, *, receipt: str, deadline: datetime) -> Step:
        """Take the step that `message` asks for; everything ends before `deadline`, also the lease.

        Raises Unavailable where the step has to be repeated; nothing is lost then.
        """
        now = self.clock()
        if message.not_before is not None and message.not_before > now:
            self._send(message)
            return Step(handled=Handled.DELETE, event="hopped")
        claim = self.tasks.claim(message, now=now, lease_until=deadline, holder=uuid4().hex)
        if claim.won and claim.task is not None:
            return self._run(claim.task, deadline)
        return self._not_claimed(message, claim.task, receipt)

    def _not_claimed(self, message: Message, task: Task | None, receipt: str) -> Step:
        if task is None:
            # Its creation was refused, or its retention has ended.
            return Step(handled=Handled.DELETE, event="unknown")
        if task.state is State.PENDING and task.lease_until is not None:
            # Somebody works on it, and their own message guards it; this one looks again when the lease has ended.
            wait = task.lease_until - self.clock()
            self.queue.postpone(receipt, seconds=_whole_seconds(wait))
            return Step(handled=Handled.KEEP, event="leased")
        if task.state is State.CREATED and task.attempt > message.attempt:
            # The holder may have died between writing the next attempt and sending its message.
            self._send(task.message())
            return Step(handled=Handled.DELETE, event="resent")
        return Step(handled=Handled.DELETE, event="finished")

    def _run(self, task: Task, deadline: datetime) -> Step:
        outcome = self._attempt(task, deadline)
        now = self.clock()
        decision = decide(
            outcome,
            attempt=task.attempt,
            policy=task.template.retry,
            default_max_attempts=self.default_max_attempts,
            accept=task.template.accept_status,
            now=now,
            draw=self.draw(),
        )
        if isinstance(decision, Retry):
            return self._retry(task, decision, now, deadline)
        return self._finish(task, decision, now, deadline)

    def _attempt(self, task: Task, deadline: datetime) -> Answered | Refused:
        """Make the call, or evaluate the request policy, and apply the policies to the response."""
        template = task.template
        budget_ends = min(self.clock() + template.timeout, deadline - MARGIN)
        try:
            request = self.bodies.load(task.request)
            if template.request_policy:
                answer = Answered(
                    status=200,
                    result=self.policies.evaluate(template.request_policy, request, deadline=budget_ends),
                )
            else:
                answer = self.target.call(self._http_call(task, request), deadline=budget_ends)
            for policy in filter(None, (template.response_policy, template.final_policy)):
                result = self.policies.evaluate(policy, answer.result, deadline=budget_ends)
                answer = Answered(status=answer.status, result=result, retry_after=answer.retry_after)
        except CallRefused as refusal:
            return Refused(reason=refusal.reason, can_retry=refusal.can_retry, response_code=refusal.response_code)
        fault = json_text.too_large(answer.result)
        if fault:
            return Refused(reason=f"the result is too large: {fault}", can_retry=False, response_code=answer.status)
        return answer

    def _http_call(self, task: Task, request: str) -> HttpCall:
        template = task.template
        headers = {"User-Agent": self.user_agent, "Accept": "*/*"}
        body = None if template.method in _BODYLESS_METHODS else request
        if body is not None:
            headers["Content-Type"] = "application/json"
        names = {name.lower() for name in template.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in names}
        headers |= template.headers
        headers["Idempotency-Key"] = task.id
        return HttpCall(method=template.method, url=template.url, headers=headers, body=body)

    def _finish(self, task: Task, end: Done | Failed, now: datetime, deadline: datetime) -> Step:
        result: Body | None = None
        if isinstance(end, Done):
            text, key = end.result, f"results/{task.id}/{task.attempt}"
            result = self._insist(lambda: self.bodies.store(key, text), deadline)
        ours = self._insist(lambda: self.tasks.finish(task, end, result=result, now=now), deadline)
        event = "lost" if not ours else "done" if isinstance(end, Done) else "failed"
        return Step(handled=Handled.DELETE, event=event, task=task, decision=end, ended_at=now)

    def _retry(self, task: Task, decision: Retry, now: datetime, deadline: datetime) -> Step:
        not_before = now + decision.delay
        ours = self._insist(lambda: self.tasks.retry(task, decision, not_before=not_before), deadline)
        if ours:
            self._send(Message(task_id=task.id, attempt=task.attempt + 1, not_before=not_before))
        event = "retried" if ours else "lost"
        return Step(handled=Handled.DELETE, event=event, task=task, decision=decision, ended_at=now)

    def _send(self, message: Message) -> None:
        wait = message.not_before - self.clock() if message.not_before else timedelta()
        self.queue.send(message, delay_seconds=min(_whole_seconds(wait), MAX_DELAY_SECONDS))

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


def _whole_seconds(wait: timedelta) -> int:
    """`wait` in whole seconds, rounded up: SQS delays by no less."""
    return max(0, math.ceil(wait.total_seconds()))
