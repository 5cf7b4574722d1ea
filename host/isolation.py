"""A process of its own for messages that may have crashed a worker, so that they take no other message with them.

A worker that crashes has many messages in hand. All of them come again, and none says which one it was (see
`task_service.domain.isolation`). So a worker that receives such a suspect lets another process handle it, which handles
one at a time and is started when the first one comes.

    worker ──► event ──► isolated process ──┬──► answer
                                            └──► crashes: the message comes again, and the worker goes on
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final

from host import ROOT
from host.functions import Context, load
from host.platform import platform
from task_service.adapters.postgres.queue_reader import Delivery
from task_service.domain.messages import from_text

log: Final = logging.getLogger("task")

GRACE: Final = 2.0
"""Seconds after the function's timeout in which it has to answer; else it is killed, as Lambda does it."""


def is_suspect(delivery: Delivery) -> bool:
    """Whether a message may have crashed a worker: it was received before, or says so itself."""
    if delivery.receives > 1:
        return True
    if "crashes" not in delivery.body:
        # Nearly all messages; so they are read once, by the function.
        return False
    try:
        return bool(from_text(delivery.body).crashes)
    except ValueError:
        # It is no message; the function sets it aside.
        return False


class CrashedError(Exception):
    """The isolated process has ended, or was killed, before it has answered."""


class IsolatedExecutor:
    """The executor in a process that handles one event at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Connection[Any, Any] | None = None
        self._lock = threading.Lock()

    def start(self) -> "Connection[Any, Any]":
        """Start the process, unless it runs; returns the pipe to it. Raises OSError, as at too many processes."""
        with self._lock:
            if self._channel is None:
                ours, theirs = Pipe()
                with theirs:
                    self._process = subprocess.Popen(
                        [sys.executable, "-m", "host", "isolated-process", str(theirs.fileno())],
                        pass_fds=[theirs.fileno()],
                        # A pipe that ends with this process, so that the other one does not outlive it.
                        stdin=subprocess.PIPE,
                        cwd=ROOT,
                        env={**os.environ, "DATABASE_POOL_SIZE": "2"},
                        start_new_session=True,
                    )
                # Only now: a pipe to no process would be taken for a process that runs.
                self._channel = ours
            return self._channel

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Handle an event. Raises CrashedError, and OSError where no process can be started."""
        channel = self.start()
        try:
            channel.send(event)
            if not channel.poll(self._seconds + GRACE):
                raise CrashedError("it did not answer in time")
            answer: dict[str, Any] = channel.recv()
        except (OSError, EOFError, CrashedError) as error:
            self.end()
            raise CrashedError(str(error) or "it has ended") from error
        return answer

    def end(self) -> None:
        """End the process, if there is one; the next event starts another."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                assert self._process.stdin is not None
                self._process.stdin.close()
                self._process = None
            if self._channel is not None:
                self._channel.close()
                self._channel = None


def run(descriptor: int, seconds: float) -> None:
    """Handle the events that come through a pipe, one after the other, until it ends."""
    ports = platform()
    handler = load("executor")
    channel: Connection[Any, Any] = Connection(descriptor)
    with channel:
        while True:
            try:
                event = channel.recv()
            except EOFError:
                break
            channel.send(handler(event, Context(seconds=seconds)))
    ports.close()
