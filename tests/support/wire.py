"""What passes between a client and a test target: its calls, and the wire on which they are answered."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Final

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on and for no time: closing sends RST instead of FIN."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that the target has received; times are those of time.monotonic()."""

    method: str
    path: str
    """As sent, with the query."""
    headers: Message
    """Looked up by name in any case."""
    connection: int
    """The number of the connection it came on, from 1."""
    started: float
    body: bytes = b""
    ended: float | None = None
    """None for as long as the target works on it."""

    @property
    def idempotency_key(self) -> str | None:
        """Its Idempotency-Key."""
        return self.headers["Idempotency-Key"]


class TargetStopped(Exception):
    """The test has ended, so the target stops what it is doing."""


class Wire:
    """The connection to a client, while its call is answered. A client that has gone away raises OSError."""

    def __init__(
        self,
        connected: socket.socket,
        call: Call,
        *,
        end: Callable[[Call], None],
        stopping: threading.Event,
        released: threading.Event,
        take: Callable[[int], bytes] = lambda _: b"",
    ) -> None:
        self.call = call
        self.is_open = True
        self._socket = connected
        self._end = end
        self._take = take
        self._stopping = stopping
        self._released = released

    @property
    def client_port(self) -> int:
        """The client's end of the connection."""
        return int(self._socket.getpeername()[1])

    def send(self, data: bytes) -> None:
        """Send `data` as it is."""
        self._socket.sendall(data)

    def read(self, count: int) -> int:
        """Read so many bytes of a request's body that was not read before. Returns how many came."""
        read = len(self._take(count))
        while read < count and (data := self._socket.recv(min(count - read, 65_536))):
            read += len(data)
        return read

    def finish(self, data: bytes) -> None:
        """Send `data`, with which the call ends: a client that sees it may call again at once."""
        self._end(self.call)
        self._socket.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait. Raises TargetStopped when the target stops."""
        if self._stopping.wait(seconds):
            raise TargetStopped

    def wait_for_release(self, seconds: float) -> None:
        """Wait until the test releases what hangs, at most so long. Raises TargetStopped when the target stops."""
        self._released.wait(seconds)
        if self._stopping.is_set():
            raise TargetStopped

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        self._end(self.call)
        shut(self._socket)

    def reset(self) -> None:
        """Reset the connection: the client sees ECONNRESET."""
        self.is_open = False
        self._end(self.call)
        # The thread that serves the connection closes it next. Shutting it down here would be an orderly end.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


Behaviour = Callable[[Wire], None]
"""How a path answers."""


def shut(connected: socket.socket) -> None:
    """End a connection in both directions."""
    # What is closed already, or has never been connected, needs no shutting down.
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
