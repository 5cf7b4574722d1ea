"""The process of its own for messages that may have crashed a worker."""

import subprocess
from typing import Any

import pytest

from host.isolation import IsolatedExecutor


def test_a_process_that_could_not_be_started_does_not_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def refuse(*arguments: object, **rest: Any) -> None:
        tries.append(arguments)
        raise BlockingIOError("there are too many processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    isolated = IsolatedExecutor(1)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            isolated.start()
    assert len(tries) == 3
    isolated.end()
