"""Child processes that end with everything they started, however this process ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.environment import PROJECT

# Killed processes do nothing after some milliseconds; this bounds the wait when the machine is overloaded.
DYING_SECONDS = 5.0


class Child:
    """A Python module that runs as the leader of a process group of its own.

    It does not get the terminal's Ctrl-C: this process decides when it ends. It holds the reading end of a pipe
    as its standard input, so that `when_parent_ends` notices the end of this process even when that was a kill.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        inherited: Sequence[int] = (),
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=PROJECT,
                pass_fds=inherited,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process, which is also its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """How the process ended, None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        exit_code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return exit_code

    def end(self, *, within: float) -> None:
        """Ask the process to end, and kill it, with all that it started, if it has not after so many seconds."""
        if self.exit_code() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it started. They keep nothing that a kill could damage."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


def last_lines(log: Path) -> list[str]:
    """The end of a log: what a process said before it ended."""
    return log.read_text(errors="replace").splitlines()[-10:]


def run_module(*arguments: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a module of this project to its end, whatever that is."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def remove_folder(folder: Path) -> None:
    """Remove the folder, in which processes that have just been killed may still finish to make a file."""
    deadline = time.monotonic() + DYING_SECONDS
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise


def when_parent_ends(act: Callable[[], object]) -> None:
    """Do this in a thread once the parent of this process, started as a `Child`, is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 64):
            pass
        act()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
