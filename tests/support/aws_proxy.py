"""Between the functions and the cloud: passes AWS requests on, and lets tests break what they choose.

    with AwsProxy(cloud.endpoint_url) as proxy, proxy.broken("SendMessage", refused()) as requests:
        ...
        assert requests.count

A request is known by its operation (`PutItem`, `SendMessage`), S3's, which have none, by method (`PUT`). A fault gets
the request and decides whether and when it goes on, and what the function is told.
"""

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from tests.support.serving import Serving

_CONNECTION_HEADERS: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)
_TIMEOUT_SECONDS: Final = 60.0


class ConnectionLost(Exception):
    """The function gets no answer."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the cloud."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


PassOn = Callable[[], Reply]
"""Sends the request on to the cloud."""

Fault = Callable[[PassOn], Reply]
"""What becomes of a request. Raises ConnectionLost."""


def refused(code: str = "InternalServerError", status: int = 500) -> Fault:
    """The cloud refuses it."""
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "not now"}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0")]
    return lambda pass_on: Reply(status=status, headers=headers, body=body)


def denied() -> Fault:
    """The cloud refuses it, so that it is not even repeated."""
    return refused("AccessDeniedException", 403)


def throttled() -> Fault:
    """The table has no capacity left."""
    return refused("ProvisionedThroughputExceededException", 400)


def answer_lost(pass_on: PassOn) -> Reply:
    """The cloud does it, but the answer gets lost."""
    pass_on()
    raise ConnectionLost


def late(seconds: float) -> Fault:
    """It arrives late, whether the client still waits for the answer or not."""

    def fault(pass_on: PassOn) -> Reply:
        threading.Event().wait(seconds)
        return pass_on()

    return fault


def first(count: int, fault: Fault) -> Fault:
    """The fault happens so many times, then no more."""
    numbers = itertools.count()
    return lambda pass_on: fault(pass_on) if next(numbers) < count else pass_on()


@dataclass
class Requests:
    """The requests that a fault has met."""

    operation: str
    mentioning: tuple[str, ...]
    fault: Fault
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, pass_on: PassOn) -> Reply:
        """Let the fault happen to one."""
        with self._lock:
            self.count += 1
        return self.fault(pass_on)


class AwsProxy(Serving):
    """The proxy, on a free port of 127.0.0.1; a context manager."""

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(_Server(self))
        self.address = urlsplit(endpoint_url).netloc
        self._broken: list[Requests] = []

    @contextmanager
    def broken(self, operation: str, fault: Fault, *mentioning: str) -> Iterator[Requests]:
        """Meanwhile the fault happens to the requests of an operation (`*`: of any) whose body mentions all of this."""
        requests = Requests(operation, mentioning, fault)
        self._broken.append(requests)
        try:
            yield requests
        finally:
            self._broken.remove(requests)

    def answer(self, operation: str, body: bytes, pass_on: PassOn) -> Reply:
        """What the function is told."""
        for requests in list(self._broken):
            is_meant = requests.operation in (operation, "*")
            if is_meant and all(part.encode() in body for part in requests.mentioning):
                return requests.meet(pass_on)
        return pass_on()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, proxy: AwsProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(BaseHTTPRequestHandler):
    """A connection of a function, with one to the cloud of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._cloud = http.client.HTTPConnection(self.server.proxy.address, timeout=_TIMEOUT_SECONDS)

    def finish(self) -> None:
        self._cloud.close()
        super().finish()

    def handle(self) -> None:
        # A function that is killed leaves its connections; that is the test's doing.
        try:
            super().handle()
        except (ConnectionError, ConnectionLost):
            self.close_connection = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]
        reply = self.server.proxy.answer(operation, body, lambda: self._pass_on(body))
        head = [f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, '')}"]
        head += [f"{name}: {value}" for name, value in reply.headers]
        head += [f"Content-Length: {len(reply.body)}", "", ""]
        self.wfile.write("\r\n".join(head).encode("latin-1") + (b"" if self.command == "HEAD" else reply.body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def _pass_on(self, body: bytes) -> Reply:
        self._cloud.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self._cloud.putheader(name, value)
        self._cloud.endheaders(body)
        response = self._cloud.getresponse()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _CONNECTION_HEADERS]
        return Reply(status=response.status, headers=headers, body=response.read())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests do."""
