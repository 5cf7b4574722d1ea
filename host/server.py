"""The HTTP server in front of the api and docs functions.

aiohttp parses and writes, and lets a subclass answer what it refuses itself, which the other servers at hand do not:
uvicorn, hypercorn and granian answer a malformed head with texts of their own, and put no limit on the time of a head.
Handlers block, so they run in threads. Requests that wait for a task have threads of their own: however many wait, a
POST finds a thread at once. If all of those are taken, a request does not wait and is answered at once, as a server may
(RFC 7240, 2: a preference can be ignored).
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from host.content_coding import DecodedTooLargeError, UndecodableError, decode
from host.functions import Context
from host.gateway import Match, Received, event_of, match, path_of
from host.settings import Settings
from task_service.domain import json_text
from task_service.domain.errors import BadRequest, TaskServiceError, TooLarge, Unavailable
from task_service.entrypoints.api.prefer import wait_seconds
from task_service.entrypoints.api.problem import problem
from task_service.entrypoints.api.routes import WAITING
from task_service.entrypoints.telemetry import Handler

log: Final = logging.getLogger("task")

THREADS: Final = 16
"""Requests of a process that are answered at the same time, beside those that wait."""

API_SECONDS: Final = 28
"""How long a request may take. As in template.yaml."""

MAX_HEAD: Final = 10_240
"""The most bytes of a request's line, and of one header."""

MAX_HEADERS: Final = 100

MAX_BODY: Final = json_text.MAX_BYTES + 1_000_000
"""Larger bodies are not read to their ends; the API itself says what a payload may have."""


class Malformed(BadRequest):
    """the request is not valid HTTP"""


class HeadTooLarge(BadRequest):
    """the request's line or headers are too large: at most 10240 bytes each, and 100 headers, are allowed"""

    status = 431


class Slow(BadRequest):
    """the request did not arrive in time"""

    status = 408


class NotDecodable(BadRequest):
    """the payload is not encoded as Content-Encoding says: gzip, deflate, identity or none"""

    status = 415


class NotPermitted(BadRequest):
    """only the expectation 100-continue is supported"""

    status = 417


class Server:
    """Answers HTTP requests with the functions."""

    def __init__(self, api: Handler, docs: Handler, settings: Settings) -> None:
        self._api = api
        self._docs = docs
        self._settings = settings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api")
        self._waiting_threads = ThreadPoolExecutor(max(1, settings.waiting), thread_name_prefix="waiting")
        self._waiting = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            received = await self._receive(request)
        except TaskServiceError as error:
            refused = _response(problem(error).to_gateway())
            # The rest of the body is not read, so no other request can follow.
            refused.force_close()
            if isinstance(request.protocol, Connection):
                request.protocol.expect_no_head()
            return refused
        matched = match(path_of(received.target)[0])
        context = Context(seconds=API_SECONDS)
        event = event_of(received, matched, context.aws_request_id)
        call = partial(self._docs if matched.is_docs else self._api, event, context)
        if self._waits(request, matched):
            if self._waiting < self._settings.waiting:
                self._waiting += 1
                try:
                    return await self._called(call, self._waiting_threads)
                finally:
                    self._waiting -= 1
            _remove_prefer(event)
        return await self._called(call, self._threads)

    async def _called(self, call: Callable[[], dict[str, Any]], threads: ThreadPoolExecutor) -> web.Response:
        return _response(await asyncio.get_running_loop().run_in_executor(threads, call))

    def _waits(self, request: web.BaseRequest, matched: Match) -> bool:
        if matched.resource not in WAITING:
            return False
        return bool(wait_seconds(", ".join(request.headers.getall("Prefer", ()))))

    async def _receive(self, request: web.BaseRequest) -> Received:
        """Receive the body. Raises TaskServiceError."""
        codings = request.headers.getall("Transfer-Encoding", ())
        if codings and (
            request.version < HttpVersion11 or [coding.strip().lower() for coding in codings] != ["chunked"]
        ):
            # Before HTTP/1.1 there are no chunks (RFC 9112, 6.1); and a body is not decoded here of what else it is.
            raise Malformed
        expected = request.headers.get("Expect")
        # A client of HTTP/1.0 does not know an answer that is not the last one (RFC 9110, 10.1.1).
        if expected is not None and request.version >= HttpVersion11:
            if expected.lower() != "100-continue":
                raise NotPermitted
            # A body that is too large is refused before it is sent.
            if (request.content_length or 0) <= MAX_BODY:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                body = await self._body(request)
            body = decode(body, request.headers.getall("Content-Encoding", ()), max_bytes=MAX_BODY)
        except TimeoutError:
            raise Slow("the body did not arrive in time") from None
        except DecodedTooLargeError:
            raise _too_large() from None
        except UndecodableError:
            raise NotDecodable from None
        except web.RequestPayloadError:
            raise Malformed("the body is not valid HTTP") from None
        return Received(
            method=request.method,
            target=request.raw_path,
            headers=[(name, value) for name, value in request.headers.items() if name.lower() != "content-encoding"],
            body=body,
            source_ip=request.remote or "",
        )

    async def _body(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > MAX_BODY:
            raise _too_large()
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise _too_large()
        return bytes(body)

    async def start(self, listener: socket.socket) -> Callable[[], Awaitable[None]]:
        """Serve on a listening socket; returns what stops it, once the requests that run are answered."""
        factory = _Factory(self)
        server = await asyncio.get_running_loop().create_server(factory, sock=listener, backlog=2_048)

        async def stop() -> None:
            server.close()
            await factory.shutdown(self._settings.stop_seconds)
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._waiting_threads.shutdown(wait=False, cancel_futures=True)

        return stop


class _Factory(web.Server):
    """Makes the protocol of each connection, up to the limit of connections."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.answer)
        self.settings = server._settings

    def __call__(self) -> RequestHandler:
        return Connection(self)


class Connection(RequestHandler):
    """One connection: refuses with the API's own errors, and waits for a head no longer than it may."""

    __slots__ = ("_expects_head", "_factory", "_timers")

    def __init__(self, factory: _Factory) -> None:
        super().__init__(
            factory,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=factory.settings.idle_seconds,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
            # Bodies are decoded as API Gateway does it.
            auto_decompress=False,
            lingering_time=1,
        )
        self._factory = factory
        self._expects_head = True
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """Those that run: the one of a head, and the one of an answer that is written."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self._factory.connections) > self._factory.settings.connections:
            self._refuse(Unavailable("there are too many connections"))
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; the time of a head begins with its first byte."""
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._stop_timer("head")
        elif self._expects_head and not self._is_busy and "head" not in self._timers:
            self._await_head()

    def pause_writing(self) -> None:
        """Wait for a client that receives slower than it is answered, as long as it may take."""
        super().pause_writing()
        assert isinstance(self.transport, asyncio.WriteTransport)
        # What it has not received is in this process's memory.
        seconds = self._factory.settings.write_seconds
        self._timers["write"] = self._loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on when it has received nearly all."""
        self._stop_timer("write")
        super().resume_writing()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is answered, or its head has arrived and it will be: what arrives then is its body."""
        return self._request_in_progress or bool(self._messages)

    def expect_no_head(self) -> None:
        """Take what still arrives for the rest of a refused body."""
        self._expects_head = False
        self._stop_timer("head")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._stop_timer("head")
        self._stop_timer("write")
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refuses, and faults of this server."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun, there is no place for an error")
        response = _response(problem(_refusal(status, exc)).to_gateway())
        response.force_close()
        self.expect_no_head()
        return response

    def _await_head(self) -> None:
        seconds = self._factory.settings.header_seconds
        refuse = self._loop.call_later(seconds, self._refuse, Slow("the head did not arrive in time"))
        self._timers["head"] = refuse

    def _stop_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _refuse(self, error: TaskServiceError) -> None:
        """Answer before a request is there, and close."""
        if self.transport is not None:
            response = problem(error)
            body = response.body.encode()
            head = (
                f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: application/json\r\n"
                f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.force_close()


def _refusal(status: int, error: BaseException | None) -> Exception:
    if isinstance(error, LineTooLong) or (error is not None and "many headers" in str(error).lower()):
        return HeadTooLarge()
    if status < 500:
        return Malformed()
    return error if isinstance(error, Exception) else RuntimeError(f"status {status}")


def _too_large() -> TooLarge:
    return TooLarge(f"payload too large: at most {json_text.MAX_BYTES} bytes are allowed")


def _remove_prefer(event: dict[str, Any]) -> None:
    for member in ("headers", "multiValueHeaders"):
        event[member] = {name: value for name, value in event[member].items() if name.lower() != "prefer"}


def _response(answer: dict[str, Any]) -> web.Response:
    """API Gateway's response as one of HTTP."""
    headers = CIMultiDict[str]()
    for name, values in answer["multiValueHeaders"].items():
        for value in values:
            headers.add(name, value)
    response = web.Response(status=answer["statusCode"], headers=headers, body=answer["body"].encode())
    # Which software answers is of no use to a client.
    response.headers["Server"] = "task-service"
    return response
