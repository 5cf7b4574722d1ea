"""HTTP targets, called with requests under a time budget that holds.

A timeout in requests is one for every single wait for the network; a target that sends a byte now and then holds its
caller for ever. Here every wait of a call, through connecting, redirects, headers and body, gets what is left until
the call's deadline.
"""

import io
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError

from task_service.domain import json_text
from task_service.domain.retry import Answered
from task_service.ports import CallRefused, HttpCall

_CHUNK: Final = 64 * 1024
_POOL: Final = 10


class RequestsTarget:
    """Calls HTTP targets; connections are kept and shared, cookies are not."""

    def __init__(self) -> None:
        self._adapter = _BudgetAdapter(pool_connections=32, pool_maxsize=_POOL, max_retries=0)

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """Make the call; it ends before `deadline`, whatever the target does. Raises CallRefused."""
        budget = (deadline - datetime.now(UTC)).total_seconds()
        if budget <= 0:
            raise CallRefused("there was no time left for the call", can_retry=True)
        _budget.start(budget)
        session = requests.Session()
        # Proxies and credentials of the environment are not the target's business.
        session.trust_env = False
        session.mount("http://", self._adapter)
        session.mount("https://", self._adapter)
        try:
            with session.request(
                call.method,
                call.url,
                headers=call.headers,
                data=None if call.body is None else call.body.encode("utf-8"),
                stream=True,
                timeout=budget,
            ) as response:
                return Answered(
                    status=response.status_code,
                    result=_as_json(response, _read(response)),
                    retry_after=response.headers.get("Retry-After"),
                )
        except Exception as error:
            raise _refusal(error, budget) from error


# -- the budget


class _Budget(threading.local):
    """The time left for the call that this thread makes."""

    ends = 0.0

    def start(self, seconds: float) -> None:
        self.ends = _now() + seconds

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError at the end."""
        left = self.ends - _now()
        if left <= 0:
            raise TimeoutError("the budget of the call is used up")
        return left


_budget: Final = _Budget()


class _BudgetSocket:
    """A connected socket whose every wait ends with the budget of the calling thread."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_budget.left())
        self._socket.sendall(data)

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        """What http.client reads the answer from."""
        return io.BufferedReader(_BudgetReader(self._socket))

    def settimeout(self, _: float | None) -> None:
        """The budget decides, not the timeout that urllib3 sets for a whole connection."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _BudgetReader(io.RawIOBase):
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # The socket's own file keeps it open until the answer is read, also where the connection is closed before.
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_budget.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BudgetConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        self.timeout = _budget.left()
        return super()._new_conn()

    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _BudgetSocket(self.sock))


class _BudgetTlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        self.timeout = _budget.left()
        return super()._new_conn()

    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _BudgetSocket(self.sock))


class _BudgetPool(HTTPConnectionPool):
    ConnectionCls = _BudgetConnection


class _BudgetTlsPool(HTTPSConnectionPool):
    ConnectionCls = _BudgetTlsConnection


class _BudgetAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _BudgetPool, "https": _BudgetTlsPool}


# -- the answer


class _TooMuch(Exception):
    """The target sends more than is carried."""


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    chunks: Iterator[bytes] = response.iter_content(_CHUNK)
    for chunk in chunks:
        body += chunk
        if len(body) > json_text.MAX_BYTES:
            raise _TooMuch
        # Also where the answer trickles in from a buffer, without any wait.
        _budget.left()
    return bytes(body)


def _as_json(response: requests.Response, body: bytes) -> str:
    """The answer as JSON text: as it is where it is JSON, else its text as a JSON string, null where it is empty."""
    if not body:
        return "null"
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return json_text.from_text(_decode(body, response.encoding))
    if not text.strip(" \t\r\n"):
        return "null" if not text else json_text.from_text(text)
    return text if json_text.is_valid(text) else json_text.from_text(text)


def _decode(body: bytes, encoding: str | None) -> str:
    try:
        return body.decode(encoding or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


# -- the failures


_CANNOT_BE_MENDED: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    LocationParseError,
    UnicodeError,
)


def _refusal(error: Exception, budget: float) -> CallRefused:
    """What a failed call means. Its reason names no address: it may be one of an internal network."""
    if isinstance(error, _TooMuch):
        return CallRefused(f"the target answered with more than {json_text.MAX_BYTES} bytes", can_retry=False)
    if isinstance(error, _CANNOT_BE_MENDED):
        return CallRefused("the URL, or one that the target redirects to, is not valid", can_retry=False)
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return CallRefused("the target redirects too often", can_retry=False)
    causes = list(_causes(error))
    if any(isinstance(cause, (TimeoutError, requests.exceptions.Timeout)) for cause in causes):
        return CallRefused(f"the target did not answer completely within {budget:.0f} s", can_retry=True)
    if isinstance(error, (requests.exceptions.SSLError)):
        return CallRefused("the target's TLS could not be verified or negotiated", can_retry=True)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return CallRefused("the target could not be reached: connection refused", can_retry=True)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return CallRefused("the target could not be reached: its name was not found", can_retry=True)
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return CallRefused("the target's answer broke off or could not be decoded", can_retry=True)
    if isinstance(error, (requests.exceptions.RequestException, OSError)):
        return CallRefused("the connection to the target failed", can_retry=True)
    raise error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, through causes, contexts and the arguments that urllib3 wraps them in."""
    pending = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__]
        pending += [
            argument
            for argument in (*current.args, getattr(current, "reason", None))
            if isinstance(argument, BaseException)
        ]


def _now() -> float:
    return time.monotonic()
