"""Connections to targets: opened to permitted addresses only, kept for a while, and used again.

A kept connection may be gone without a sign: targets, load balancers and NAT drop idle ones, and a frozen Lambda
function misses what happens meanwhile. Three rules keep that from failing tasks:

- A connection that was idle for `IDLE_SECONDS` is not used again. Load balancers keep them for a minute and more.
- When a connection that was used before fails, all that are kept to the same origin are closed, so the next attempt
  opens a new one.
- If it fails before a byte of the answer has come, a call whose method is idempotent is repeated at once, on a new
  connection (RFC 9110, 9.2.2; RFC 9112, 9.3.1). POST and PATCH are not: the target may have acted on them. Whether they
  are called again is for the task's retries to decide, which count them and wait.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from task_service.adapters.http.answer import Answer
from task_service.adapters.http.budget import Budget
from task_service.adapters.http.head import read_head
from task_service.adapters.http.request import Request
from task_service.adapters.http.stream import Stream
from task_service.adapters.http.trust import tls_context
from task_service.domain.call import CallRefused
from task_service.domain.url import Url

IDLE_SECONDS: Final = 20.0
_MOST_IDLE: Final = 64

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""As socket.getaddrinfo gives it."""

Resolve = Callable[[str, int], Sequence[Address]]
"""The addresses of a host and port. Raises OSError."""

Permits = Callable[[str, str], bool]
"""Tells if the client may connect to an address of a host, both as texts: first the host, then the address."""


# -- opening


def _resolve(host: str, port: int) -> Sequence[Address]:
    return socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)


def _connect(found: Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, address = found
    connected = socket.socket(family, kind, protocol)
    try:
        connected.settimeout(seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.connect(address)
    except BaseException:
        connected.close()
        raise
    return connected


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialler:
    """Opens connections, to permitted addresses only: what was looked up and permitted is what is connected to."""

    permits: Permits
    resolve: Resolve = _resolve

    def connect(self, host: str, port: int, budget: Budget) -> socket.socket:
        """A connection to one of the host's permitted addresses; each gets its share of the time that is left.

        Raises OSError, and CallRefused where there are addresses and none is permitted.
        """
        found = self._look_up(host, port, budget)
        addresses = [each for each in found if self.permits(host, each[4][0])]
        if found and not addresses:
            raise CallRefused("the target's address is not public, and EGRESS_ALLOW does not open it", can_retry=False)
        failure = OSError("the host has no address")
        for tried, address in enumerate(addresses):
            try:
                return _connect(address, budget.left() / (len(addresses) - tried))
            except OSError as error:
                failure = error
        raise failure

    def _look_up(self, host: str, port: int, budget: Budget) -> Sequence[Address]:
        """The addresses of a host, looked up in a thread that is left alone when the budget ends before the lookup."""
        found: Future[Sequence[Address]] = Future()

        def look_up() -> None:
            try:
                found.set_result(self.resolve(host, port))
            except OSError as error:
                found.set_exception(error)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return found.result(timeout=budget.left())

    def open(self, url: Url, budget: Budget) -> Stream:
        """A connection to a URL's origin, with TLS where it asks for that. Raises OSError and CallRefused."""
        connected = self.connect(url.host, url.port, budget)
        try:
            if url.scheme == "https":
                connected.settimeout(budget.left())
                connected = tls_context().wrap_socket(
                    connected, server_hostname=url.host.removesuffix("."), suppress_ragged_eofs=False
                )
            return Stream(connected, budget)
        except BaseException:
            connected.close()
            raise


# -- keeping


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Kept:
    origin: str
    stream: Stream
    wall: float = field(default_factory=time.time)
    monotonic: float = field(default_factory=time.monotonic)

    @property
    def can_be_used(self) -> bool:
        # The monotonic clock may stand still while a function is frozen, and the wall clock may be set back.
        idle = time.time() - self.wall
        return 0 <= idle < IDLE_SECONDS and time.monotonic() - self.monotonic < IDLE_SECONDS and self.stream.is_quiet


class Connections:
    """Sends requests over connections of `dialler`, which are kept and shared by threads."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []

    def send(self, request: Request, budget: Budget, *, fresh: bool = False) -> Answer:
        """Send a request; the answer's head has come. Raises OSError and CallRefused.

        `fresh`: on a new connection.
        """
        origin = request.url.origin
        stream = None if fresh else self._take(origin)
        if stream is not None:
            try:
                return self._exchange(stream, request, budget)
            except (OSError, CallRefused) as error:
                self.close(origin)
                if stream.received or isinstance(error, TimeoutError) or request.method not in _IDEMPOTENT:
                    raise
        return self._exchange(self._dialler.open(request.url, budget), request, budget)

    def _exchange(self, stream: Stream, request: Request, budget: Budget) -> Answer:
        stream.begin(budget)
        try:
            stream.send(request.to_bytes())
            head = read_head(stream)
        except BaseException:
            stream.close()
            raise
        return Answer(head, request.method, stream, keep=lambda: self._keep(request.url.origin, stream))

    def _take(self, origin: str) -> Stream | None:
        """A connection that is kept to an origin; those that were idle for too long are closed."""
        while True:
            with self._lock:
                kept = next((each for each in reversed(self._kept) if each.origin == origin), None)
                if kept is None:
                    return None
                self._kept.remove(kept)
            if kept.can_be_used:
                return kept.stream
            kept.stream.close()

    def _keep(self, origin: str, stream: Stream) -> None:
        with self._lock:
            self._kept.append(_Kept(origin=origin, stream=stream))
            surplus = [self._kept.pop(0)] if len(self._kept) > _MOST_IDLE else []
        for kept in surplus:
            kept.stream.close()

    def close(self, origin: str | None = None) -> None:
        """Close the connections that are kept to an origin, by default to every one."""
        with self._lock:
            closed = [kept for kept in self._kept if origin in (None, kept.origin)]
            self._kept = [kept for kept in self._kept if kept not in closed]
        for kept in closed:
            kept.stream.close()
