"""A clock and random numbers that tests decide."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class FakeClock:
    """A clock that moves when it is told to."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        self.now += timedelta(seconds=seconds)


def draws(numbers: Iterable[float]) -> Callable[[], float]:
    """Random numbers that are known beforehand."""
    remaining = iter(numbers)
    return lambda: next(remaining)
