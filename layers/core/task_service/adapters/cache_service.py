"""The cache service, which gets the results of tasks and the final status of lists."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from task_service.domain.call import CallRefused, HttpCall
from task_service.domain.trace import trace_headers
from task_service.ports import BearerToken, Clock, HttpTarget

BUDGET: Final = timedelta(seconds=5)
"""The time limit of one write, because the executor that waits for it has other tasks."""

_FOR_GOOD: Final = frozenset({413, 422, 431})
"""Statuses that are about this one write: it is too large, or the service does not understand it. With any other status
a later write can succeed, for instance after the operator has corrected an address or a permission."""


@dataclass(kw_only=True, eq=False, repr=False)
class CacheService:
    """The cache service at an address."""

    address: str
    target: HttpTarget
    clock: Clock
    user_agent: str
    token: BearerToken | None = None
    """None: the service asks for none."""

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write a JSON text under a key. Raises CallRefused; whether it was written is then unknown."""
        deadline = min(deadline, self.clock() + BUDGET)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
            "x-cache-key": key,
            "x-cache-namespace": _utf_8(namespace),
            "x-cache-scope": _utf_8(scope),
            **trace_headers(),
        }
        token = self.token(deadline) if self.token is not None else None
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self.address}/v1/cache"
        # What answers a redirect may be a page that says "log in", with status 200.
        call = HttpCall(method="POST", url=url, headers=headers, body=text, redirects=False)
        answer = self.target.call(call, deadline=deadline)
        if answer.status == 401 and self.token is not None:
            self.token.forget(token)
        if answer.status not in (200, 201):
            can_retry = answer.status not in _FOR_GOOD
            raise CallRefused(f"the cache service answered {answer.status}", can_retry=can_retry)


def _utf_8(text: str) -> str:
    """`text` as a header's value that goes out as UTF-8: each character is sent as a byte, as ISO 8859-1 has it."""
    return text.encode().decode("latin-1")
