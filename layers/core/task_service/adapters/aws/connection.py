"""A connection to an AWS service: one request at a time, each with a deadline for its whole answer."""

import io
import os
import select
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, cast

from task_service.adapters.aws.endpoints import Endpoint

LONGEST_IDLE_SECONDS: Final = 60
"""A connection that has been idle for longer is not used again. NAT gateways forget them after 350 seconds
(https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html) and say nothing."""

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes. BatchGetItem returns up to 16 MB of records, which JSON writes longer."""


class ConnectionDied(OSError):
    """The connection ended before the first byte of an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    headers: Any
    """Looked up by name in any case."""
    body: bytes
    is_last: bool
    """Whether the service closes the connection now."""


class Connection:
    """A connection; used by one thread at a time."""

    def __init__(self, endpoint: Endpoint, *, seconds: float) -> None:
        """Connect, in so many seconds to each address of the host. Raises OSError."""
        self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout=seconds)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.is_secure:
                self._socket = trusted().wrap_socket(self._socket, server_hostname=endpoint.host)
        except BaseException:
            self._socket.close()
            raise
        self._used_at = time.time()

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def is_usable(self) -> bool:
        """Whether an idle connection may be used again: it is young, and the service has not ended it.

        Wall time, because that also passes while Lambda has frozen the process.
        """
        if not 0 <= time.time() - self._used_at <= LONGEST_IDLE_SECONDS:
            return False
        # What an idle connection has to read is its end.
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def ask(self, request: bytes, *, seconds: float) -> Answer:
        """Send a request and read its answer, all in so many seconds.

        Raises ConnectionDied, OSError and HTTPException, after which the connection cannot be used again.
        """
        received = _Received(self._socket, time.monotonic() + seconds)
        response = HTTPResponse(cast(socket.socket, received), method="POST")
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(request)
            response.begin()
            body = response.read(LARGEST_ANSWER)
            # Of a known length and not read: too large, or the connection ended too early.
            if response.length or not response.isclosed():
                raise HTTPException("the answer is truncated or too large")
        except (ConnectionError, ssl.SSLError) as error:
            if received.count:
                raise
            raise ConnectionDied from error
        finally:
            response.close()
        self._used_at = time.time()
        return Answer(status=response.status, headers=response.headers, body=body, is_last=response.will_close)


class _Received(io.RawIOBase):
    """The bytes that come through a socket until a deadline, as http.client reads them."""

    def __init__(self, connected: socket.socket, ends: float) -> None:
        self._socket = connected
        self._ends = ends
        self.count = 0

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._socket.settimeout(left)
        count = self._socket.recv_into(buffer)
        self.count += count
        return count


@cache
def trusted() -> ssl.SSLContext:
    """How connections are secured, with the authorities of AWS_CA_BUNDLE or of the system."""
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
