"""The policy service of the XFSC trust services, or one with the same API, called over HTTP."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import anywhere
from task_service.domain import json_text, strict_json
from task_service.domain.call import Answered, CallRefused, HttpCall
from task_service.domain.retry import is_retryable
from task_service.domain.trace import trace_headers
from task_service.ports import BearerToken, Clock

_EXCERPT: Final = 200


class RemotePolicies:
    """Evaluates policies at `address`; with `token`, each call carries one."""

    def __init__(self, *, address: str, user_agent: str, clock: Clock, token: BearerToken | None = None) -> None:
        """`clock` is the one of the deadlines."""
        self._address = address
        self._user_agent = user_agent
        self._token = token
        # Its address is the operator's own setting.
        self._target = HttpClient(Dialler(permits=anywhere), json_only=True, clock=clock)

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        """The policy's result for an input, both JSON texts. Raises CallRefused."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": self._user_agent}
        headers |= trace_headers()
        url = f"{self._address}/policy/{_path(policy)}/evaluation"
        try:
            # A redirected evaluation may be answered by something else than a policy.
            call = HttpCall(method="POST", url=url, headers=headers, body=input_text, redirects=False)
            answer = self._call(call, deadline)
        except CallRefused as refusal:
            raise CallRefused(
                refusal.reason.replace("the target", "the policy service"),
                can_retry=refusal.can_retry,
                response_code=refusal.response_code,
            ) from refusal
        if not 200 <= answer.status <= 299:
            raise CallRefused(
                f"the policy service answered {answer.status} for policy {policy!r}: {_message(answer)}",
                can_retry=is_retryable(answer.status),
                response_code=answer.status,
            )
        return answer.result

    def _call(self, call: HttpCall, deadline: datetime) -> Answered:
        """The answer to a call, with a token where there is one, and with another one where that was not accepted."""
        if self._token is None:
            return self._target.call(call, deadline=deadline)
        token = self._token(deadline)
        answer = self._target.call(_bearing(token, call), deadline=deadline)
        if answer.status == 401:
            self._token.forget(token)
            answer = self._target.call(_bearing(self._token(deadline), call), deadline=deadline)
        return answer

    def close(self) -> None:
        """Close the connections that are kept."""
        self._target.close()


def _bearing(token: str, call: HttpCall) -> HttpCall:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})


def _path(policy: str) -> str:
    """A policy's name as a path, that leads nowhere else. Raises CallRefused."""
    segments = policy.split("/")
    try:
        if all(segment.strip() and segment not in (".", "..") for segment in segments):
            return "/".join(quote(segment, safe="") for segment in segments)
    except UnicodeEncodeError:
        # Half a surrogate pair.
        pass
    raise CallRefused(f"policy {policy!r} is not a name that a policy can have", can_retry=False)


def _message(answer: Answered) -> str:
    """The message of an error answer; its text where it has none."""
    text = answer.result
    # What is nested deeper than Python reads, or ambiguous, is not a message that the service itself would give.
    with suppress(json_text.InvalidJson):
        document = strict_json.loads(text)
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            text = document["message"]
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
