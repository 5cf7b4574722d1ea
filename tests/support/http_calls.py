"""Calling test targets with the real adapter."""

import time
from datetime import timedelta

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.domain.call import Answered, CallRefused, HttpCall
from tests.support.builders import NOW

JSON = {"Content-Type": "application/json", "Idempotency-Key": "task-1"}

TOLERANCE = 0.3
"""Seconds by which a call may miss the end of its budget on a busy machine."""


def call(
    client: HttpClient,
    url: str,
    *,
    method: str = "POST",
    body: str | None = '{"n":1}',
    headers: dict[str, str] | None = None,
    budget: float = 5,
    redirects: bool = True,
    fresh: bool = False,
) -> Answered:
    """Make a call that has `budget` seconds; the client's clock says NOW, so that none of them has passed before."""
    deadline = NOW + timedelta(seconds=budget)
    return client.call(
        HttpCall(
            method=method,
            url=url,
            headers=JSON | (headers or {}),
            body=body,
            redirects=redirects,
            fresh_connection=fresh,
        ),
        deadline=deadline,
    )


def refused(client: HttpClient, url: str, **rest: object) -> CallRefused:
    """The refusal of a call that has to be refused; it names no address."""
    with pytest.raises(CallRefused) as caught:
        call(client, url, **rest)  # type: ignore[arg-type]
    reason = caught.value.reason
    host = url.split("/")[2] if url.count("/") >= 2 else url
    for part in (host, *host.split(":"), "127.0.0.1", "localhost"):
        assert not part or part not in reason
    return caught.value


def out_of_time(client: HttpClient, url: str, *, budget: float = 0.3, **rest: object) -> CallRefused:
    """The refusal of a call that has to end with its budget, and does so in time."""
    started = time.monotonic()
    refusal = refused(client, url, budget=budget, **rest)
    took = time.monotonic() - started
    assert refusal.reason == f"the target did not answer completely within {budget:g} s", refusal.reason
    assert budget - 0.05 <= took <= budget + TOLERANCE, f"it took {took} s"
    assert refusal.can_retry
    return refusal
