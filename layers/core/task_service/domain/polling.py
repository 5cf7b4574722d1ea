"""Waiting for something to end: how long, and how often to look. Pure: nothing here waits or looks at a clock."""

from datetime import timedelta
from typing import Final

MAX_WAIT: Final = timedelta(seconds=25)
"""The longest wait; API Gateway gives up on a function after 29 seconds."""

SHORTEST_PAUSE: Final = timedelta(milliseconds=50)
LONGEST_PAUSE: Final = timedelta(seconds=2)

_SHARE: Final = 4
"""A pause is this part of the time that has passed: what ends is seen at most a quarter later than it could be."""


def pause(passed: timedelta) -> timedelta:
    """How long to wait before the next look, after that long a wait: some 30 looks in MAX_WAIT."""
    return min(max(passed / _SHARE, SHORTEST_PAUSE), LONGEST_PAUSE)
