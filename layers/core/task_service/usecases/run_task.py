"""One attempt of a task: claim it, call its target, write down how the attempt ended.

Every step can be repeated from any point of a crash, because the queue deletes the message only after it:

    claim ──► call ──► finish                     the message is deleted
                  └──► retry(n + 1) ──► send      the message of n is deleted, that of n + 1 is in the queue

If the table is unavailable before the claim, the executor sends the message again with a delay and deletes this one, so
that the queue's receive count only counts crashes. After a crash before `finish` or `retry` the queue delivers the
message again; by then the lease has ended, and the next executor claims the task again. After a crash between `retry`
and `send` the next executor finds attempt n + 1 written and sends that attempt's message.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

from task_service.domain import json_text
from task_service.domain.call import Answered, CallRefused, HttpCall
from task_service.domain.errors import Unavailable
from task_service.domain.messages import QueueMessage, TaskMessage, message_of
from task_service.domain.outcome import Attempt, Handled, Outcome, Step
from task_service.domain.retry import Done, Failed, Retry, decide, is_accepted
from task_service.domain.task import Body, State, Task
from task_service.domain.template import TaskTemplate
from task_service.domain.trace import trace_headers, work_in
from task_service.ports import Bodies, Clock, Draw, HttpTarget, Pause, PolicyEngine, TaskQueue, Tasks

log: Final = logging.getLogger("task")
T = TypeVar("T")

PUT_OFF_SECONDS: Final = 20
"""Longest delay of a message that was sent again because the table did not answer."""

MARGIN: Final = timedelta(seconds=5)
"""Time kept at the end of a lease for writing down how the attempt ended."""

_POLICY_PAUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between evaluations of a policy whose engine is unavailable, before the attempt fails."""

_BODYLESS_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ListTask:
    """The parts of a list's task that its list has; its own record does not have them."""

    template: TaskTemplate
    request: Callable[[], str]
    birth: Task
    """The task's record, which the first claim writes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskStep:
    """The result of handling a task's message."""

    handled: Handled
    outcome: Outcome
    task: Task | None = None
    """As it was claimed, or as it was found."""
    attempt: Attempt | None = None
    result: Body | None = None
    """The result of a task that is done, now or before."""

    @property
    def ended(self) -> State | None:
        """How the task has ended, now or before; None: it has not, or there is no telling."""
        if self.outcome is Outcome.FINISHED:
            return self.task.state if self.task is not None else None
        return {Outcome.DONE: State.DONE, Outcome.FAILED: State.FAILED}.get(self.outcome)

    @property
    def step(self) -> Step:
        """The same, for a task that is in no list."""
        attempts = (self.attempt,) if self.attempt else ()
        return Step(handled=self.handled, outcome=self.outcome, attempts=attempts)


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

    def run(
        self, message: TaskMessage, *, receipt: str, deadline: datetime, in_list: ListTask | None = None
    ) -> TaskStep:
        """Make the attempt that `message` asks for; the attempt and its lease end before `deadline`.

        Raises Unavailable if the step has to be repeated; nothing is lost then.
        """
        now = self.clock()
        birth = in_list.birth if in_list else None
        try:
            self.open_replay(message)
            claim = self.tasks.claim(message, now=now, lease_until=deadline, holder=uuid4().hex, birth=birth)
        except Unavailable as reason:
            return TaskStep(handled=Handled.DELETE, outcome=self.put_off(message, reason))
        if claim.task is not None:
            work_in(claim.task.context.trace)
        if not claim.won or claim.task is None:
            return self._not_claimed(message, claim.task, receipt)
        template = in_list.template if in_list else claim.task.template
        if template is None:
            raise ValueError(f"task {claim.task.id} has no template")
        try:
            request = in_list.request() if in_list else self._own_request(claim.task)
        except Unavailable as reason:
            # The lease stays: no executor can take the task before it has ended.
            return TaskStep(handled=Handled.DELETE, outcome=self.put_off(message, reason, after=deadline - now))
        return self._attempt(claim.task, template, request, deadline)

    def open_replay(self, message: TaskMessage) -> None:
        """Open the failed task of a replay's first message, in case the api function stopped before it could."""
        if message.replay and message.attempt == 1:
            self.tasks.replay(message.task_id, number=message.replay, by=message.by)

    def put_off(self, message: QueueMessage, reason: Unavailable, *, after: timedelta = timedelta()) -> Outcome:
        """Send a message again, with a delay, before any of its work is done. Raises Unavailable."""
        log.warning(str(reason), extra={"action": "put off"})
        self.queue.send(message, due_at=self.clock() + after + timedelta(seconds=1 + self.draw() * PUT_OFF_SECONDS))
        return Outcome.PUT_OFF

    def _not_claimed(self, message: TaskMessage, task: Task | None, receipt: str) -> TaskStep:
        if task is None:
            return TaskStep(handled=Handled.DELETE, outcome=Outcome.UNKNOWN)
        if task.state is State.PENDING and task.lease_until is not None:
            # Another executor works on it, guarded by its own message; this one comes again when the lease has ended.
            self.queue.postpone(receipt, until=task.lease_until)
            return TaskStep(handled=Handled.KEEP, outcome=Outcome.LEASED, task=task)
        if task.state is State.CREATED and task.replay == message.replay and task.attempt > message.attempt:
            # The holder may have stopped between writing the next attempt and sending its message.
            self._send(message_of(task))
            return TaskStep(handled=Handled.DELETE, outcome=Outcome.RESENT, task=task)
        return TaskStep(handled=Handled.DELETE, outcome=Outcome.FINISHED, task=task, result=task.result)

    def _attempt(self, task: Task, template: TaskTemplate, request: str, deadline: datetime) -> TaskStep:
        answer = self._call(task, template, request, deadline)
        now = self.clock()
        decision = decide(
            answer,
            attempt=task.attempt,
            policy=template.retry,
            default_max_attempts=self.default_max_attempts,
            accept=template.accept_status,
            now=now,
            draw=self.draw(),
        )
        result: Body | None = None
        if isinstance(decision, Retry):
            outcome = self._retry(task, decision, now, deadline)
        else:
            outcome, result = self._finish(task, decision, now, deadline)
        attempt = Attempt(outcome=outcome, task=task, decision=decision, ended_at=now)
        return TaskStep(handled=Handled.DELETE, outcome=outcome, task=task, attempt=attempt, result=result)

    def _own_request(self, task: Task) -> str:
        if task.request is None:
            raise ValueError(f"task {task.id} has no request")
        return self.bodies.load(task.request)

    # -- the call

    def _call(self, task: Task, template: TaskTemplate, request: str, deadline: datetime) -> Answered | CallRefused:
        """Make the call, or evaluate the request policy, and apply the policies to the response."""
        budget_ends = min(self.clock() + template.timeout, deadline - MARGIN)
        try:
            if template.request_policy:
                result = self.policies.evaluate(template.request_policy, request, deadline=budget_ends)
                answer = Answered(status=200, result=result)
            else:
                answer = self.target.call(_http_call(task, template, request, self.user_agent), deadline=budget_ends)
            if not is_accepted(answer.status, template.accept_status):
                # The attempt has failed, so policies do not see this answer.
                return answer
            for policy in filter(None, (template.response_policy, template.final_policy)):
                result = self._evaluate(policy, answer.result, budget_ends)
                answer = replace(answer, result=result)
        except CallRefused as refusal:
            return refusal
        fault = json_text.too_large(answer.result)
        if fault:
            return CallRefused(f"the result is too large: {fault}", can_retry=False, response_code=answer.status)
        return answer

    def _evaluate(self, policy: str, response: str, budget_ends: datetime) -> str:
        """Evaluate a policy for a response, patiently: a failed attempt would call the target again."""
        for pause in _POLICY_PAUSES:
            try:
                return self.policies.evaluate(policy, response, deadline=budget_ends)
            except CallRefused as refusal:
                if not refusal.can_retry or self.clock() + timedelta(seconds=pause) >= budget_ends:
                    raise
            self.pause(pause)
        return self.policies.evaluate(policy, response, deadline=budget_ends)

    # -- writing down how it ended

    def _finish(self, task: Task, end: Done | Failed, now: datetime, deadline: datetime) -> tuple[Outcome, Body | None]:
        result: Body | None = None
        if isinstance(end, Done):
            text, key = end.result, f"results/{task.id}/{task.attempt}"
            result = self._insist(lambda: self.bodies.store(key, text), deadline)
        if not self._insist(lambda: self.tasks.finish(task, end, result=result, now=now), deadline):
            return Outcome.LOST, None
        return Outcome.DONE if isinstance(end, Done) else Outcome.FAILED, result

    def _retry(self, task: Task, decision: Retry, now: datetime, deadline: datetime) -> Outcome:
        not_before = now + decision.delay
        if not self._insist(lambda: self.tasks.retry(task, decision, not_before=not_before), deadline):
            return Outcome.LOST
        self._send(message_of(replace(task, attempt=task.attempt + 1, not_before=not_before)))
        return Outcome.RETRIED

    def _send(self, message: TaskMessage) -> None:
        self.queue.send(message, due_at=message.not_before)

    def _insist(self, write: Callable[[], T], deadline: datetime) -> T:
        """Repeat `write` until the lease ends: without it the next executor would call the target again."""
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


def _http_call(task: Task, template: TaskTemplate, request: str, user_agent: str) -> HttpCall:
    """The call of a task: the template's headers go before our own, except for the Idempotency-Key.

    A template with a traceparent of its own is in a trace of its own, to which the task's tracestate does not belong.
    """
    headers = {"User-Agent": user_agent, "Accept": "*/*"}
    body = None if template.method in _BODYLESS_METHODS else request
    if body is not None:
        headers["Content-Type"] = "application/json"
    names = {name.lower() for name in template.headers}
    if "traceparent" not in names:
        headers |= trace_headers()
    headers = {name: value for name, value in headers.items() if name.lower() not in names}
    headers |= template.headers
    headers["Idempotency-Key"] = task.id
    return HttpCall(
        method=template.method,
        url=template.url,
        headers=headers,
        body=body,
        redirects=template.redirects,
        # Whichever executor makes the next attempt, its kept connections may be as dead as the one before.
        fresh_connection=task.attempt > 1,
    )
