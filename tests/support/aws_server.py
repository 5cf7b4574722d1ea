"""An AWS service that answers as a test tells it, on plain sockets.

    with AwsServer() as aws:
        aws.answers(throttled(), good({"Item": {}}))

answers the first request with a throttling and the second with an item; further ones with `{}`. It checks every
signature, as AWS does, with botocore. It refuses tokens in `expired`, and requests whose time is more than five minutes
away from its own.
"""

import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import format_datetime
from http.client import parse_headers
from types import TracebackType
from typing import Any, Final, Self

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SECRET: Final = "secret"
REGION: Final = "eu-central-1"
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on and for no time: closing sends RST instead of FIN."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request that the server has received."""

    service: str
    operation: str
    headers: Message
    body: bytes
    connection: int
    """The number of the connection it came on, from 1."""

    @property
    def parameters(self) -> Any:
        """What the operation is called with."""
        return json.loads(self.body)


class Ended(Exception):
    """The connection has ended, by the server's doing or because the test is over."""


class Line:
    """The connection to a client, while a request is answered."""

    def __init__(self, server: "AwsServer", connected: socket.socket) -> None:
        self.server = server
        self._socket = connected

    def send(self, data: bytes) -> None:
        """Send `data` as it is."""
        self._socket.sendall(data)

    def close(self) -> None:
        """End the connection in order. Raises Ended."""
        raise Ended

    def reset(self) -> None:
        """Reset the connection: the client sees ECONNRESET. Raises Ended."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        raise Ended

    def wait(self, seconds: float) -> None:
        """Wait. Raises Ended when the server stops."""
        if self.server.stopping.wait(seconds):
            raise Ended


Answering = Callable[[Line, Request], None]
"""How a request is answered."""


class AwsServer:
    """The server, on a free port of 127.0.0.1; a context manager."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.expired: set[str] = set()
        """Tokens that are refused."""
        self.clock_offset = 0.0
        """Seconds by which its clock is ahead of this machine's."""
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self._tls = tls
        self._answers: list[Answering] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, name="aws-server")
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        _shut(self._listening)
        self._accepting.join()
        self._listening.close()
        self.close_connections()
        for thread in self._threads:
            thread.join()

    def answers(self, *answers: Answering) -> None:
        """Answer the next requests so, each with one."""
        self._answers += answers

    def close_connections(self) -> None:
        """End all connections, as a service does with idle ones."""
        for connected in list(self._open):
            _shut(connected)

    def wait_for(self, count: int, *, within: float = 10) -> None:
        """Return once so many requests have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, within), len(self.requests)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": "token",
        }

    def now(self) -> datetime:
        """The time by its clock."""
        return datetime.fromtimestamp(time.time() + self.clock_offset, UTC)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                number = self.connections
            thread = threading.Thread(target=self._serve, args=(connected, number), name="aws-server-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, number: int) -> None:
        # A client that goes away, or does not trust the server, is the test's doing.
        with suppress(OSError, Ended):
            if self._tls:
                connected = self._tls.wrap_socket(connected, server_side=True)
            self._open.add(connected)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connected.makefile("rb") as received:
                while not self.stopping.is_set() and received.readline() == b"POST / HTTP/1.1\r\n":
                    headers = parse_headers(received)
                    body = received.read(int(headers["Content-Length"]))
                    self._answer(Line(self, connected), _request(headers, body, number))
        self._open.discard(connected)
        connected.close()

    def _answer(self, line: Line, request: Request) -> None:
        with self.changed:
            self.requests.append(request)
            answer = self._answers.pop(0) if self._answers else good()
            self.changed.notify_all()
        (self._refusal(request) or answer)(line, request)

    def _refusal(self, request: Request) -> Answering | None:
        moment = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((moment - self.now()).total_seconds()) > 300:
            return refused("InvalidSignatureException")
        if request.headers["X-Amz-Security-Token"] in self.expired:
            return refused("ExpiredTokenException")
        assert request.headers["Authorization"] == _authorization(request), "the signature is wrong"
        return None


# -- answers


def good(output: Mapping[str, Any] | None = None) -> Answering:
    """The operation's output."""
    return raw(200, json.dumps(output or {}).encode())


def refused(code: str, *, status: int = 400, **fields: Any) -> Answering:
    """An error."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "hidden", **fields}
    return raw(status, json.dumps(body).encode())


def raw(status: int, body: bytes, **headers: str) -> Answering:
    """An answer with this body; headers are written with _ for -."""

    def answer(line: Line, request: Request) -> None:
        line.send(head(line.server, status, body, **headers) + body)

    return answer


def head(server: AwsServer, status: int, body: bytes, **headers: str) -> bytes:
    """The beginning of an answer, to the empty line."""
    lines = {
        "Date": format_datetime(server.now(), usegmt=True),
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(body)),
        "x-amz-crc32": str(zlib.crc32(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "\r\n".join(
        [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
    ).encode()


def closed(line: Line, request: Request) -> None:
    """Nothing: the connection ends in order."""
    line.close()


def reset(line: Line, request: Request) -> None:
    """Nothing: the connection is reset."""
    line.reset()


def silent(line: Line, request: Request) -> None:
    """Nothing, for as long as the client waits."""
    line.wait(60)


def _request(headers: Message, body: bytes, number: int) -> Request:
    target, _, operation = headers["X-Amz-Target"].partition(".")
    service = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}[target]
    return Request(service=service, operation=operation, headers=headers, body=body, connection=number)


def _authorization(request: Request) -> str:
    """The Authorization header that botocore writes for the request."""
    signed = [name for name in request.headers if name.lower() in ("content-type", "host") or name.startswith("x-amz-")]
    asked = AWSRequest(
        method="POST",
        url=f"http://{request.headers['Host']}/",
        headers={name: request.headers[name] for name in signed},
        data=request.body,
    )
    asked.context["timestamp"] = request.headers["X-Amz-Date"]
    keys = Credentials("key", SECRET, request.headers["X-Amz-Security-Token"])
    auth = SigV4Auth(keys, request.service, REGION)
    signature = auth.signature(auth.string_to_sign(asked, auth.canonical_request(asked)), asked)
    names = auth.signed_headers(auth.headers_to_sign(asked))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(asked)}, SignedHeaders={names}, Signature={signature}"


def _shut(connected: socket.socket) -> None:
    # What is closed already needs no shutting down.
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
