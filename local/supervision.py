"""The processes of a local cloud: those that end are started again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local.errors import LocalCloudError
from local.processes import Child, last_lines

EARLY_SECONDS = 10.0
"""A process that ends sooner after its start has ended early."""

MOST_EARLY_ENDS = 3
"""A process that ends early so many times in a row is not started again."""


@dataclass
class _Supervised:
    start: Callable[[], Child]
    child: Child
    started_at: float
    early_ends: int = 0


@dataclass
class Children:
    """The processes by name, each with what starts it."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[str, _Supervised] = field(default_factory=dict)

    def start(self, name: str, start: Callable[[], Child]) -> None:
        """Start a process."""
        self._known[name] = _Supervised(start=start, child=start(), started_at=self.clock())

    def check(self) -> None:
        """Raise LocalCloudError if a process has ended that should run."""
        for name, one in self._known.items():
            if one.child.exit_code() is not None:
                raise _ended(name, one.child)

    def restart(self) -> Iterator[tuple[str, int]]:
        """Start each process again that has ended; its name, and how it ended.

        Raises LocalCloudError for one that ends again and again right after its start.
        """
        for name, one in self._known.items():
            exit_code = one.child.exit_code()
            if exit_code is None:
                continue
            one.early_ends = one.early_ends + 1 if self.clock() - one.started_at < EARLY_SECONDS else 0
            if one.early_ends == MOST_EARLY_ENDS:
                raise _ended(name, one.child)
            # What it has started may still run, and hold its port.
            one.child.kill()
            one.child, one.started_at = one.start(), self.clock()
            yield name, exit_code

    def end(self, name: str, *, within: float) -> None:
        """Ask a process to end, if there is one of that name, and wait for it."""
        one = self._known.pop(name, None)
        if one is not None:
            one.child.end(within=within)

    def pids(self) -> dict[str, int]:
        """The processes' numbers, by name."""
        return {name: one.child.pid for name, one in self._known.items()}

    def kill(self) -> None:
        """End every process."""
        for one in self._known.values():
            one.child.kill()
        self._known.clear()


def _ended(name: str, child: Child) -> LocalCloudError:
    return LocalCloudError("\n".join([f"{name} has ended, after saying:", *last_lines(child.log)]))
