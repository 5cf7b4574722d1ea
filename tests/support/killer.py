"""Kills executors at random."""

import random
import threading
from typing import Self

from tests.support.faulty_cloud import FaultyCloud
from tests.support.targets import HttpTarget


class Killer:
    """Kills executors at random while the target is at work; a context manager."""

    def __init__(self, faulty: FaultyCloud, target: HttpTarget) -> None:
        self.kills = 0
        self._faulty = faulty
        self._target = target
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def go_on_for(self, seconds: float) -> None:
        """Return after that time."""
        self._stopped.wait(seconds)

    def _run(self) -> None:
        while not self._stopped.wait(random.uniform(0.2, 1.5)):
            if any(call.ended is None for call in self._target.calls):
                doomed = [process for process in self._faulty.processes("ExecutorFunction") if random.random() < 0.6]
                self._faulty.kill(doomed)
                self.kills += len(doomed)
