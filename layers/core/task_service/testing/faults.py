"""Faults that a test puts into a fake."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from threading import RLock
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from task_service.domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Faults:
    """Makes the next calls of a fake fail."""

    before: int = 0
    """So many calls fail without having done anything."""
    after: int = 0
    """So many calls do their work, and their answers get lost."""
    _lock: RLock = field(default_factory=RLock)

    def around(self, work: Callable[[], T]) -> T:
        """Do `work`, unless it is to fail; the fake does one work at a time, as a table does one write of a record."""
        with self._lock:
            if self.before:
                self.before -= 1
                raise Unavailable("fake: refused")
            done = work()
            if self.after:
                self.after -= 1
                raise Unavailable("fake: the answer got lost")
            return done


class Fake(Protocol):
    """A fake that can be made to fail."""

    faults: Faults


F = TypeVar("F", bound=Fake)


def faulty(method: Callable[Concatenate[F, P], T]) -> Callable[Concatenate[F, P], T]:
    """Make a method of a fake fail where its `faults` say so."""

    @wraps(method)
    def faulty_method(self: F, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.faults.around(lambda: method(self, *args, **kwargs))

    return faulty_method
