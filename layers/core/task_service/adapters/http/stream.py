"""A connected socket, plain or TLS, whose every wait ends with the budget of the call that uses it.

It sends and receives at the same time. A target may answer before it has read the whole request, with 413 for
instance, and never read the rest (RFC 9112, 9.5): its answer counts, so the stream stops sending.
"""

import re
import select
import socket
import ssl
import time
from typing import Final

from task_service.adapters.http.budget import Budget

_RECEIVE: Final = 64 * 1024
_MOST_UNREAD: Final = 1024 * 1024
"""Bytes of an early answer that are received while the request is still being sent."""
_PATIENCE: Final = 0.5
"""Seconds for which a target that has begun a good answer may read nothing of the rest of the request."""
_INTERIM: Final = re.compile(rb"HTTP/1\.\d 1\d\d.*?\r?\n\r?\n", re.DOTALL)
_STATUS: Final = re.compile(rb"HTTP/1\.\d ([2-9])\d\d")


class Stream:
    """The bytes of one connection. `budget` is that of the current call."""

    def __init__(self, connected: socket.socket, budget: Budget) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._unread = bytearray()
        self.budget = budget
        self.received = False
        """Whether anything has come since the current call began."""
        self.was_cut = False
        """Whether a TLS connection ended without TLS's own end: a machine on the way may have cut it."""
        self.cut_off: OSError | None = None
        """Why the request was not sent completely; None: it was. The connection cannot be used again then."""

    def begin(self, budget: Budget) -> None:
        """Start the next call on this connection."""
        self.budget = budget
        self.received = False

    def send(self, data: bytes) -> None:
        """Send `data`, or stop where the target has answered or gone: its answer, or the lack of one, counts then."""
        rest = memoryview(data)
        moved = time.monotonic()
        while rest:
            try:
                sent = self._send_some(rest)
                if not sent and not self._can_go_on(moved):
                    self.cut_off = BrokenPipeError("the target answered before it had read the request")
                    return
            except TimeoutError:
                raise
            except OSError as error:
                self.cut_off = error
                return
            if sent:
                rest = rest[sent:]
                moved = time.monotonic()

    def _send_some(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0

    def _can_go_on(self, moved: float) -> bool:
        """Wait until the target reads on. False: it has answered and does not, or it has closed the connection."""
        patience = _PATIENCE - (time.monotonic() - moved)
        answered = self._answered()
        if answered and (answered >= b"3" or patience <= 0):
            return False
        events = select.POLLOUT if len(self._unread) >= _MOST_UNREAD else select.POLLOUT | select.POLLIN
        left = self.budget.left()
        ready = self._poll(events, min(left, patience) if answered else left)
        return not ready & select.POLLIN or self._receive_some() != b""

    def _answered(self) -> bytes:
        """The first digit of the final status, where a final answer has begun; empty: it has not."""
        unread = bytes(self._unread[:_RECEIVE])
        while interim := _INTERIM.match(unread):
            unread = unread[interim.end() :]
        found = _STATUS.match(unread)
        return found[1] if found else b""

    def _poll(self, events: int, seconds: float) -> int:
        poll = select.poll()
        poll.register(self._socket, events)
        ready = poll.poll(seconds * 1000)
        return ready[0][1] if ready else 0

    # -- receiving

    def read_line(self, most: int) -> bytes:
        """A line with its end; without it where the connection ended, or where the line is longer than `most`."""
        searched = 0
        while (end := self._unread.find(b"\n", searched, most)) < 0:
            searched = len(self._unread)
            if searched >= most or not self._receive():
                return self._take(most)
        return self._take(end + 1)

    def read(self, most: int) -> bytes:
        """At least one byte and at most so many; none: the connection has ended."""
        # Also where data comes without any wait.
        self.budget.left()
        if not self._unread:
            self._receive()
        return self._take(most)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def _receive(self) -> bool:
        """Wait for bytes. False: the connection has ended. Raises TimeoutError, ConnectionResetError."""
        while (data := self._receive_some()) is None:
            self._poll(select.POLLIN, self.budget.left())
        return data != b""

    def _receive_some(self) -> bytes | None:
        """The bytes that have come; None: nothing yet; empty: the connection has ended."""
        self.budget.left()
        try:
            data = self._socket.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLEOFError:
            self.was_cut = True
            return b""
        if data:
            self.received = True
            self._unread += data
        return data

    # -- between calls

    @property
    def is_quiet(self) -> bool:
        """The target has sent nothing unasked and has not closed the connection."""
        return not self._unread and not self._poll(select.POLLIN, 0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
