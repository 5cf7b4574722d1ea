"""A pace for what is cheaper when it is done for several at once."""

import threading
import time
from collections.abc import Callable
from typing import Final

BURST: Final = 10
"""So often something is done without a pause, after a while without it."""


class Pace:
    """Pauses before what is done too often: it is done at once while there is little to do, and rarer under load."""

    def __init__(
        self,
        most_a_second: float,
        *,
        counting: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._interval = 1 / most_a_second
        self._counting = counting
        self._pause = pause
        self._lock = threading.Lock()
        self._free_at = 0.0
        """When the next one is due, if each one before had kept the interval."""

    def keep(self) -> None:
        """Return when it may be done once more."""
        with self._lock:
            now = self._counting()
            free_at = self._free_at = self._next(now)
        if free_at > now:
            self._pause(free_at - now)

    def take(self) -> bool:
        """Whether it may be done at once; then the caller does it."""
        with self._lock:
            now = self._counting()
            free_at = self._next(now)
            if free_at > now:
                return False
            self._free_at = free_at
            return True

    def _next(self, now: float) -> float:
        """When it may be done once more."""
        return max(self._free_at, now - BURST * self._interval) + self._interval
