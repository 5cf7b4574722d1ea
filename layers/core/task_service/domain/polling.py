"""How long a request waits for a task to end, and how often it reads the task. Pure: the caller passes the time."""

from datetime import timedelta
from typing import Final

MAX_WAIT: Final = timedelta(seconds=25)
"""The longest wait; API Gateway gives up on a function after 29 seconds."""

SHORTEST_PAUSE: Final = timedelta(milliseconds=50)
LONGEST_PAUSE: Final = timedelta(seconds=2)

_SHARE: Final = 4
"""A pause is a quarter of the time that has passed, so a task's end is seen at most a quarter later than it happens."""


def pause(passed: timedelta) -> timedelta:
    """The pause before the next read, after a wait of `passed`: some 30 reads in MAX_WAIT."""
    return min(max(passed / _SHARE, SHORTEST_PAUSE), LONGEST_PAUSE)
