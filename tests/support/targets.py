"""A real HTTP target for tests: scripted per path, recording every call, all in threads of this process.

    with HttpTarget() as target:
        url = target.on("/greet", answer(body=b'{"hello":"world"}'))
        ...
        assert target.calls_to("/greet")[0].body == b'{"name":"Ada"}'

What a path does is a behaviour, a function of the wire to the client; `tests.behaviours` has those that targets show.
It speaks on raw sockets, because much of that is no HTTP at all.
"""

import io
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import parse_headers
from typing import Self

from tests.support.wire import Behaviour, Call, TargetStopped, Wire, shut


class HttpTarget:
    """The target. As a context manager it listens on a free port of 127.0.0.1 and stops all that it has started.

    With `tls` it speaks TLS. With `instead_of_http`, connections get that behaviour before anything is read.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, instead_of_http: Behaviour | None = None) -> None:
        self._tls = tls
        self._instead_of_http = instead_of_http
        self._behaviours: dict[str, Behaviour] = {}
        self._before_body: set[str] = set()
        self._calls: list[Call] = []
        self._running: Counter[str | None] = Counter()
        self._most: Counter[str | None] = Counter()
        self._connections = 0
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Condition()
        self._stopping = threading.Event()
        self._released = threading.Event()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="target", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._released.set()
        # Wakes the acceptor.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._acceptor.join()
        self._listener.close()
        self.disconnect()
        for thread in self._threads:
            thread.join()

    # -- what a test tells it

    def on(self, path: str, behaviour: Behaviour, *, before_body: bool = False) -> str:
        """Script a path, from now on. `before_body`: the request's body is not read before. Returns the URL."""
        self._behaviours[path] = behaviour
        (self._before_body.add if before_body else self._before_body.discard)(path)
        return self.url(path)

    def release(self) -> None:
        """Let go on what hangs, now and later."""
        self._released.set()

    def disconnect(self) -> None:
        """Close all connections, also those that clients keep for their next call."""
        with self._lock:
            for connected in self._sockets:
                shut(connected)

    # -- what a test asks it

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    @property
    def calls(self) -> list[Call]:
        """The calls so far, in the order in which they came."""
        with self._lock:
            return list(self._calls)

    def calls_to(self, path: str) -> list[Call]:
        """The calls of a path so far, with any query."""
        return [call for call in self.calls if _path(call) == path]

    def wait_for_calls(self, count: int, *, seconds: float = 10) -> list[Call]:
        """The calls, once there are that many. Raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self._calls) >= count, timeout=seconds):
                raise TimeoutError(f"{len(self._calls)} of {count} calls have come")
            return list(self._calls)

    def wait_until_idle(self, *, seconds: float = 10) -> None:
        """Return when the target works on no call. Raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: not self._running.total(), timeout=seconds):
                raise TimeoutError("the target is still at work")

    def most_at_a_time(self, idempotency_key: str) -> int:
        """How many calls with this Idempotency-Key the target has worked on at the same time, at most."""
        with self._lock:
            return self._most[idempotency_key]

    @property
    def most_of_any_key(self) -> int:
        """The same for whichever key had the most."""
        with self._lock:
            return max((count for key, count in self._most.items() if key is not None), default=0)

    @property
    def connections(self) -> int:
        """How many connections clients have opened so far."""
        with self._lock:
            return self._connections

    # -- how it works

    def _accept(self) -> None:
        while True:
            connected, _ = self._listener.accept()
            if self._stopping.is_set():
                connected.close()
                return
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections += 1
                self._sockets.add(connected)
                number = self._connections
            thread = threading.Thread(target=self._serve, args=(connected, number), name="target", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, number: int) -> None:
        stream = connected
        try:
            # A client that goes away is no fault of the target's; neither is the end of the test.
            with suppress(OSError, TargetStopped):
                if self._instead_of_http is not None:
                    # There is no call to record.
                    nothing = Call("", "", Message(), number, time.monotonic(), ended=0)
                    self._instead_of_http(self._wire(connected, nothing))
                    return
                if self._tls is not None:
                    stream = self._tls.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
                    with self._lock:
                        self._sockets.add(stream)
                    stream.do_handshake()
                self._converse(stream, number)
        finally:
            stream.close()
            connected.close()
            with self._lock:
                self._sockets -= {connected, stream}

    def _converse(self, stream: socket.socket, number: int) -> None:
        """Answer one call after another."""
        with stream.makefile("rb") as reader:
            while (call := _read_head(reader, number)) is not None:
                path = _path(call)
                if path not in self._before_body:
                    length = int(call.headers.get("Content-Length", 0))
                    call.body = reader.read(length)
                    if len(call.body) < length:
                        # The client has broken off.
                        return
                # What the reader has taken in beyond the head is read from there.
                wire = self._wire(stream, call, take=lambda count: reader.read(min(count, len(reader.peek(0)))))
                with self._recorded(call):
                    self._behaviours.get(path, _not_scripted)(wire)
                if not wire.is_open:
                    return

    def _wire(self, connected: socket.socket, call: Call, **rest: Callable[[int], bytes]) -> Wire:
        return Wire(connected, call, end=self._end, stopping=self._stopping, released=self._released, **rest)

    @contextmanager
    def _recorded(self, call: Call) -> Iterator[None]:
        key = call.idempotency_key
        with self._lock:
            self._calls.append(call)
            self._running[key] += 1
            self._most[key] = max(self._most[key], self._running[key])
            self._lock.notify_all()
        try:
            yield
        finally:
            self._end(call)

    def _end(self, call: Call) -> None:
        with self._lock:
            if call.ended is None:
                call.ended = time.monotonic()
                self._running[call.idempotency_key] -= 1
                self._lock.notify_all()


def _read_head(reader: io.BufferedReader, connection: int) -> Call | None:
    """The next call on a connection, without its body; None: the client is done with it."""
    line = reader.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split(" ")
    return Call(method, path, parse_headers(reader), connection, time.monotonic())


def _path(call: Call) -> str:
    return call.path.partition("?")[0]


def _not_scripted(wire: Wire) -> None:
    wire.finish(b'HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n"not scripted"\n')
