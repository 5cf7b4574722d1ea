"""A process that evaluates policies, as the service sees it: asked with a time limit, killed when that ends."""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from task_service.adapters.http.budget import Budget
from task_service.adapters.policies import pipe

MEMORY_BYTES: Final = 192 * 1024 * 1024
"""The most memory for a policy, its data, its input and its result together."""

_PROGRAM: Final = """\
import sys
sys.path += sys.argv[4:]
from task_service.adapters.policies.worker import main
main(float(sys.argv[1]), int(sys.argv[2]), with_tokens=sys.argv[3] == "tokens")
"""
# All that the interpreter needs to start, where it is not built to find its libraries itself, as on Lambda.
_PASSED_ON: Final = ("LD_LIBRARY_PATH",)


class PolicyProcess:
    """A running process. It is used by one thread at a time."""

    def __init__(self, *, policy_seconds: float, seconds: float, with_tokens: bool) -> None:
        """Start it, ready within `seconds`; with tokens, it has the functions for those.

        Raises OSError where it does not start; the message says why, for the log.
        """
        self._connection, theirs = socket.socketpair()
        kind = "tokens" if with_tokens else "plain"
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", "-c", _PROGRAM),
                        *(str(policy_seconds), str(MEMORY_BYTES), kind, *_folders()),
                    ],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                    cwd="/",
                )
        except OSError:
            self._connection.close()
            raise
        try:
            pipe.receive(self._connection, Budget(seconds).left)
        except (EOFError, OSError) as error:
            raise OSError(self._last_words() or repr(error)) from error
        if self._process.stderr is not None:
            self._process.stderr.close()

    def ask(self, request: Sequence[bytes], budget: Budget) -> list[bytes]:
        """The answer. Raises TimeoutError, and EOFError or another OSError where the process has ended."""
        pipe.send(self._connection, request, budget.left)
        return pipe.receive(self._connection, budget.left)

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        """The text that it wrote before it ended."""
        self._process.kill()
        said = self._process.communicate()[1]
        self._connection.close()
        lines = said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _folders() -> list[str]:
    """The folders of this package and of its libraries, which this process never loads itself."""
    folders = [str(Path(__file__).parents[3])]
    found = importlib.util.find_spec("regorus")
    if found is not None and found.origin is not None:
        folders.append(str(Path(found.origin).parents[1]))
    return folders
