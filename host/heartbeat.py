"""The heartbeats of a host's processes: once a second each tells the first process that it is not stuck.

A process that crashes is seen at once. One that hangs, because it is stopped, or because code that never returns keeps
the interpreter, would hold its places for ever: the first process kills it, and starts another.

Each has a socket to the first process as its standard input. Heartbeats go one way; its end, seen from the other side,
tells that the first process is gone.
"""

import os
import socket
import threading
from contextlib import suppress
from functools import cache
from typing import Final

SECONDS: Final = 1.0
"""Between two heartbeats."""

HANGS: Final = 30.0
"""Seconds without a heartbeat after which a process hangs."""

STARTS: Final = 300.0
"""Seconds that the first heartbeat may take longer, on a machine that is busy."""


class Heartbeats:
    """What the first process hears of one of the others."""

    def __init__(self, *, hangs_after: float) -> None:
        """A process hangs after so many seconds without one."""
        self._hangs_after = hangs_after
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._silent = -STARTS
        """Seconds since the last heartbeat, while this process looked; less while the process still starts."""

    def hangs(self, looked_for: float) -> bool:
        """Whether the process hangs, which is said once; called every `looked_for` seconds.

        What is counted is how often it looks: after a pause of the whole host, all processes have their time again.
        """
        try:
            heard = bool(self._ours.recv(4_096))
        except OSError:
            heard = False
        self._silent = 0.0 if heard else self._silent + looked_for
        if self._silent <= self._hangs_after:
            return False
        # What is done about it has as much time again.
        self._silent = 0.0
        return True

    def close(self) -> None:
        """Forget the process."""
        self._ours.close()


def beat() -> None:
    """Tell the first process that this one works; returns at once."""
    # A first process that does not read loses nothing that it needs.
    with suppress(OSError):
        _to_first().send(b".", socket.MSG_DONTWAIT)


@cache
def _to_first() -> socket.socket:
    """The socket that is the standard input. Raises OSError where it is something else."""
    return socket.socket(fileno=os.dup(0))


def end_with_first() -> None:
    """End this process when the first one is gone, however that ended. A worker's messages come again."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 64):
                pass
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
