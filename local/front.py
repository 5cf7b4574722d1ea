"""The API at one stable address, with its paths at the root: a thin proxy before the gateway's emulation.

A request goes on as it is, with three exceptions. A compressed body is decoded, as API Gateway does. MiniStack decodes
the path once before the function sees it, where API Gateway delivers it as it was sent; so the path is encoded once
more. And the API's id, part of the gateway's address, changes when a deployment changes a route; so it is looked up in
the stack, again whenever the gateway does not know it.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from aiohttp import web
from botocore.exceptions import BotoCoreError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from host.content_coding import DecodedTooLargeError, UndecodableError, decode
from local.aws import Endpoint
from local.deployment import gateway_path
from local.patience import REQUEST_SECONDS, read_body
from local.stack import Stack

# More than API Gateway takes, so that the function's own limit is what a client meets.
MAX_BODY_BYTES = 12 * 1024 * 1024
# API Gateway gives up on a function after 29 seconds, and says so itself.
GATEWAY_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
# Shorter than the 75 seconds after which the emulator closes an idle connection.
KEEP_ALIVE_SECONDS = 30
# What belongs to one connection only, and what an emulator adds.
NOT_FORWARDED = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
    *("proxy-authenticate", "proxy-authorization", "content-length", "date", "host", "server"),
}
# Answers that come from the emulator's gateway, not from an API: no such API, no such stage (yet).
UNKNOWN_API = {404: b'{"message": "Not Found"}', 403: b'{"message":"Forbidden"}'}


def front(endpoint: Endpoint, *, patience: float = REQUEST_SECONDS) -> web.Application:
    """The proxy as a web application; the body of a request has so many seconds to arrive."""
    application = web.Application(client_max_size=MAX_BODY_BYTES)
    proxy = Proxy(endpoint, patience)
    application.cleanup_ctx.append(proxy.run)
    # A dot would not match a new line, which a path may hold, encoded.
    application.router.add_route("*", r"/{path:[\s\S]*}", proxy.handle)
    application.on_response_prepare.append(_without_server_name)
    return application


class Proxy:
    """Forwards requests to the API of the stack."""

    def __init__(self, endpoint: Endpoint, patience: float) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._stack = Stack(endpoint)
        self._gateway: str | None = None
        self._looking = asyncio.Lock()

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Hold the connections to the gateway while the application runs."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=GATEWAY_TIMEOUT,
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as self._session:
            yield

    async def handle(self, request: web.Request) -> web.Response:
        """Answer as the API does."""
        try:
            body = await read_body(request, self._patience)
            body = decode(body, request.headers.getall("Content-Encoding", ()), max_bytes=MAX_BODY_BYTES)
        except (web.HTTPRequestEntityTooLarge, DecodedTooLargeError):
            return _error(413, "payload too large: at most 5000000 bytes are allowed")
        except UndecodableError:
            return _error(415, "the payload is not encoded as Content-Encoding says: gzip, deflate, identity or none")
        except TimeoutError:
            answer = _error(408, f"the body does not arrive within {self._patience:g} s")
            answer.force_close()
            return answer
        try:
            gateway = self._gateway or await self._look_up(None)
            answer = await self._forward(request, gateway, body)
            if _is_unknown_api(answer):
                gateway = await self._look_up(gateway)
                answer = await self._forward(request, gateway, body)
        except _NotDeployedError:
            return _error(503, "the API is not deployed")
        except TimeoutError:
            return _error(504, "the local cloud does not answer in time")
        except (aiohttp.ClientError, BotoCoreError):
            return _error(502, "the local cloud does not answer")
        if _is_unknown_api(answer):
            return _error(503, "the API is being deployed")
        return answer

    async def _forward(self, request: web.Request, gateway: str, body: bytes) -> web.Response:
        path, query = quote(request.rel_url.raw_path, safe="/"), request.rel_url.raw_query_string
        target = URL(f"{gateway}{path}?{query}" if query else gateway + path, encoded=True)
        async with self._session.request(
            request.method,
            target,
            headers=_forwarded(request.headers, without="content-encoding"),
            data=body or None,
            allow_redirects=False,
        ) as answer:
            return web.Response(
                status=answer.status,
                reason=answer.reason,
                headers=_forwarded(answer.headers),
                body=await answer.read(),
            )

    async def _look_up(self, stale: str | None) -> str:
        """The gateway's address of the API. Threads that find it stale at the same time wait for one look-up."""
        async with self._looking:
            if self._gateway is None or self._gateway == stale:
                outputs = await asyncio.to_thread(self._stack.outputs)
                self._gateway = self._endpoint.url + gateway_path(outputs) if outputs else None
            if self._gateway is None:
                raise _NotDeployedError
            return self._gateway


class _NotDeployedError(Exception):
    """There is no stack yet."""


def _forwarded(headers: CIMultiDictProxy[str], *, without: str = "") -> CIMultiDict[str]:
    kept = CIMultiDict[str]()
    for name, value in headers.items():
        if name.lower() not in NOT_FORWARDED | {without} and not name.lower().startswith("x-amz"):
            kept.add(name, value)
    return kept


def _is_unknown_api(answer: web.Response) -> bool:
    return UNKNOWN_API.get(answer.status) == answer.body


async def _without_server_name(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.popall("Server", None)


def _error(status: int, detail: str) -> web.Response:
    """An error of the proxy's own, in the shape of the API's errors."""
    problem = {
        "id": str(uuid.uuid4()),
        "kind": 1 if status < 500 else 7,
        "message": detail,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return web.Response(status=status, body=json.dumps(problem).encode(), content_type="application/json")
