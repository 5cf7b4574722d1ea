"""Faults that a test puts into a fake."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from task_service.domain.errors import Unavailable

T = TypeVar("T")


@dataclass
class Faults:
    """Makes the next calls of a fake fail."""

    before: int = 0
    """So many calls fail without having done anything."""
    after: int = 0
    """So many calls do their work, and their answers get lost."""

    def around(self, work: Callable[[], T]) -> T:
        """Do `work`, unless it is to fail."""
        if self.before:
            self.before -= 1
            raise Unavailable("fake: refused")
        done = work()
        if self.after:
            self.after -= 1
            raise Unavailable("fake: the answer got lost")
        return done
