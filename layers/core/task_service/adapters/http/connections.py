"""Connections of urllib3 whose every wait ends with the budget of a call.

A timeout in requests is one for every single wait for the network: for each address of a host, for each byte of an
answer; looking up a name has none at all. Here all the waits of a call, through redirects too, share one budget,
kept by the thread that makes the call, so that connections can be kept and shared.
"""

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import allowed_gai_family

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""As socket.getaddrinfo gives it."""

Resolve = Callable[[str, int], Sequence[Address]]
"""The addresses of a host and port. Raises OSError, or ValueError for what is no name."""

Permits = Callable[[str, str], bool]
"""Whether a host's address, the two as texts, may be connected to."""


class Budget(threading.local):
    """The time left for the call that this thread makes."""

    _ends = 0.0

    def start(self, seconds: float) -> None:
        """From now on, there are so many seconds."""
        self._ends = time.monotonic() + seconds

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Have so many seconds for a call within another call, whose budget goes on afterwards."""
        before = self._ends
        self.start(seconds)
        try:
            yield
        finally:
            self._ends = before

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError at the end."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the budget of the call is used up")
        return left


budget: Final = Budget()


# -- connecting


class NotPermitted(Exception):
    """No address of the host may be connected to."""


def _resolve(host: str, port: int) -> Sequence[Address]:
    return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialler:
    """Opens connections, to permitted addresses only: what was looked up and permitted is what is connected to."""

    permits: Permits
    resolve: Resolve = _resolve

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to one of the host's permitted addresses; each gets its share of the time that is left.

        Raises NotPermitted where there are addresses and none is permitted.
        """
        host = host.strip("[]")
        found = self._look_up(host, port)
        addresses = [each for each in found if self.permits(host, each[4][0])]
        if found and not addresses:
            raise NotPermitted
        failure = OSError("the host has no address")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(budget.left() / (len(addresses) - tried))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
                # For the TLS handshake, where there is one.
                connection.settimeout(budget.left())
                return connection
            except OSError as error:
                connection.close()
                failure = error
        raise failure

    def _look_up(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host, looked up in a thread that is left alone when the budget ends before the lookup."""
        found: Future[Sequence[Address]] = Future()

        def look_up() -> None:
            try:
                found.set_result(self.resolve(host, port))
            # Names that cannot be written in DNS are refused with UnicodeError, a ValueError.
            except (OSError, ValueError) as error:
                found.set_exception(error)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return found.result(timeout=budget.left())


# -- sending and receiving


class _Socket:
    """A connected socket whose every wait ends with the budget."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(budget.left())
        self._socket.sendall(data)

    def makefile(self, mode: str, *_: object) -> "_Lines":
        """What http.client reads the answer from."""
        return _Lines(_Bytes(self._socket))

    def settimeout(self, _: float | None) -> None:
        """The budget decides, not the timeout that urllib3 sets for a whole connection."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _Bytes(io.RawIOBase):
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # The socket's own file keeps it open until the answer is read, also where the connection is closed before.
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(budget.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    last = b""
    """The line read last."""

    def read(self, size: int | None = -1) -> bytes:
        # urllib3 would read a chunk of size -1 to its end, wherever that is.
        if size is None or size < 0:
            raise http.client.HTTPException("no answer is read without a limit")
        return super().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        self.last = super().readline(size)
        return self.last


class _Response(http.client.HTTPResponse):
    """A final answer with a complete header.

    http.client takes 102 and 103 for final answers, and the final answer for that of the connection's next call. It
    also takes a header that breaks off for a complete one, so that the answer of a target that crashes is an empty 200.
    """

    def begin(self) -> None:
        self._begin()
        while self.status < 200:
            # Begins again.
            self.headers = cast(http.client.HTTPMessage, None)
            self._begin()

    def _begin(self) -> None:
        super().begin()
        if cast(_Lines, self.fp).last not in (b"\r\n", b"\n"):
            raise http.client.HTTPException("the header broke off")


class _Connection(HTTPConnection):
    response_class = _Response

    def __init__(self, *args: Any, dialler: Dialler, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dialler = dialler

    def _new_conn(self) -> socket.socket:
        return self._dialler.connect(self._dns_host, self.port)

    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _Socket(self.sock))


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = cast(Any, _Connection)


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = cast(Any, _TlsConnection)


def pool_classes(dialler: Dialler) -> dict[str, Any]:
    """What makes a pool manager's pools, by scheme; their connections are opened by `dialler`."""
    # A pool hands on to its connections whatever it does not know.
    return {"http": partial(_Pool, dialler=dialler), "https": partial(_TlsPool, dialler=dialler)}
