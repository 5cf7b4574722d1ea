"""The cache service, which gets the results of tasks and the final status of lists."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from task_service.ports import CallRefused, Clock, HttpCall, HttpTarget
from task_service.wired import wired

BUDGET: Final = timedelta(seconds=5)
"""For one write; whoever waits for it has other things to do."""


@wired
class CacheService:
    """The cache service at an address."""

    address: str
    target: HttpTarget
    clock: Clock
    user_agent: str
    token: Callable[[datetime], str] | None = None
    """A bearer token that is good until then; None: the service asks for none."""

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write a JSON text under a key. Raises CallRefused; whether it was written is then unknown."""
        deadline = min(deadline, self.clock() + BUDGET)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
            "x-cache-key": key,
            "x-cache-namespace": namespace,
            "x-cache-scope": scope,
        }
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token(deadline)}"
        url = f"{self.address.rstrip('/')}/v1/cache"
        answer = self.target.call(HttpCall(method="POST", url=url, headers=headers, body=text), deadline=deadline)
        if answer.status not in (200, 201):
            raise CallRefused(f"the cache service answered {answer.status}", can_retry=True)
