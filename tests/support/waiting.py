"""Waiting for a condition."""

import time
from collections.abc import Callable

WITHIN_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], *, within: float = WITHIN_SECONDS, every: float = 0.02) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {within:.0f} s"
        time.sleep(every)
