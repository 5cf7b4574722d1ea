"""Policies kept in the table, evaluated here, each in a process that can be killed.

An interpreter of Rego cannot be interrupted, and a policy may never end, or take all memory. So each thread that
evaluates one has a process for it, kept for the next; what a policy does to its process, it does to itself only.
"""

import logging
from collections import defaultdict, deque
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from task_service.adapters.http.budget import Budget
from task_service.adapters.policies.process import PolicyProcess
from task_service.domain import json_text
from task_service.domain.call import CallRefused
from task_service.domain.errors import BadRequest, Unavailable
from task_service.domain.policy import Policy
from task_service.ports import CachedTemplates, Clock

log: Final = logging.getLogger("task")

ENOUGH_SECONDS: Final = 1.0
"""A policy that had this long and did not end is at fault itself, not the machine."""


class EmbeddedPolicies:
    """Evaluates the policies of one table."""

    def __init__(self, *, policies: CachedTemplates[Policy], clock: Clock, timeout: timedelta) -> None:
        self._policies = policies
        self._clock = clock
        self._seconds = timeout.total_seconds()
        self._idle: defaultdict[bool, deque[PolicyProcess]] = defaultdict(deque)
        """The processes that wait, by whether they have the functions for tokens."""

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        """The policy's result for an input, both JSON texts. Raises CallRefused."""
        try:
            known = self._policies.get(policy)
        except Unavailable as error:
            raise CallRefused(f"policy {policy!r} cannot be read at the moment", can_retry=True) from error
        if known is None:
            raise CallRefused(f"policy {policy!r} is not known", can_retry=False)
        kind, answer = self._ask(policy, known, input_text, deadline)
        if kind != "fault" and json_text.is_valid(answer):
            return answer
        reason = answer if kind == "fault" else "its result is not JSON"
        raise CallRefused(f"policy {policy!r} cannot be evaluated: {reason}", can_retry=False)

    def check(self, name: str, policy: Policy) -> None:
        """Compile a policy that is to be written. Raises BadRequest and Unavailable."""
        try:
            kind, answer = self._ask(name, policy, None, self._clock() + timedelta(seconds=3 * self._seconds))
        except CallRefused as refusal:
            if refusal.can_retry:
                raise Unavailable("policies cannot be compiled at the moment") from refusal
            raise BadRequest(f"source: {refusal.reason}") from refusal
        if kind == "fault":
            raise BadRequest(f"source: {answer}")

    def close(self) -> None:
        """End the processes that wait for the next policy."""
        for idle in list(self._idle.values()):
            # Other threads take from these, too, so only popping tells whether there is one.
            with suppress(IndexError):
                while True:
                    idle.pop().kill()

    def _ask(self, name: str, policy: Policy, input_text: str | None, deadline: datetime) -> tuple[str, str]:
        """Compile, and evaluate where there is an input; what that came to, and its text."""
        while True:
            process, is_new = self._take(deadline, policy.uses_tokens)
            try:
                seconds = min(self._seconds, self._left(deadline))
                answer = _work(process, policy, input_text, Budget(seconds))
            except CallRefused:
                # Its time was over before it was asked anything.
                self._idle[policy.uses_tokens].append(process)
                raise
            except TimeoutError as error:
                process.kill()
                self._log(name, "ran out of time")
                reason = f"policy {name!r} did not end within {seconds:.3g} s"
                raise CallRefused(reason, can_retry=seconds < ENOUGH_SECONDS) from error
            except (EOFError, OSError) as error:
                process.kill()
                if not is_new:
                    # It may have ended before, with too much memory in use. A new one shows whose fault it was.
                    self.close()
                    continue
                self._log(name, "broke its process")
                reason = f"policy {name!r} needs more memory than a policy may have, or recurses too deeply"
                raise CallRefused(reason, can_retry=False) from error
            self._idle[policy.uses_tokens].append(process)
            return answer

    def _take(self, deadline: datetime, with_tokens: bool) -> tuple[PolicyProcess, bool]:
        """A process, and whether it is a new one."""
        try:
            return self._idle[with_tokens].pop(), False
        except IndexError:
            pass
        try:
            process = PolicyProcess(policy_seconds=self._seconds, seconds=self._left(deadline), with_tokens=with_tokens)
        except OSError as error:
            log.error("no process for policies", extra={"action": "start policies", "reason": str(error)})
            raise CallRefused("the process that evaluates policies does not start", can_retry=True) from error
        return process, True

    def _left(self, deadline: datetime) -> float:
        seconds = (deadline - self._clock()).total_seconds()
        if seconds <= 0:
            raise CallRefused("there was no time left for the policy", can_retry=True)
        return seconds

    def _log(self, name: str, what: str) -> None:
        log.warning(f"policy {what}", extra={"action": "kill policy", "policy": name})


def _work(process: PolicyProcess, policy: Policy, input_text: str | None, budget: Budget) -> tuple[str, str]:
    """Let a process do it; it compiles what it does not know yet."""
    evaluating = (b"evaluate", policy.key, _bytes(input_text)) if input_text is not None else None
    answer = process.ask(evaluating, budget) if evaluating else [b"unknown"]
    if answer[0] == b"unknown":
        source = (_bytes(policy.package), _bytes(policy.source), _bytes(policy.data))
        answer = process.ask((b"compile", policy.key, *source), budget)
        if evaluating and answer[0] == b"ok":
            answer = process.ask(evaluating, budget)
    return answer[0].decode(), b"".join(answer[1:]).decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    # Half a surrogate pair cannot be written in UTF-8, nor mean anything.
    return text.encode("utf-8", "replace")
