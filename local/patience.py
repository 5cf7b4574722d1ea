"""Bounded patience with clients: a request arrives completely in time, or its connection is closed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

REQUEST_SECONDS = 30.0
CHECKS = 10
"""How often the connections are looked at in that time."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Patience:
    """Closes connections on which the head of a request does not arrive in time, also those on which none does."""

    def __init__(self, seconds: float = REQUEST_SECONDS) -> None:
        self._seconds = seconds
        self._working: set[web.RequestHandler] = set()
        self._waiting: dict[web.RequestHandler, float] = {}

    def watch(self, application: web.Application) -> None:
        """Know when the application works on a request: it may take its time."""
        application.middlewares.append(self._work)

    async def close_late(self, connections: Callable[[], Iterable[web.RequestHandler]]) -> None:
        """Close connections until cancelled."""
        while True:
            await asyncio.sleep(self._seconds / CHECKS)
            self._close(connections(), asyncio.get_running_loop().time())

    @web.middleware
    async def _work(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._working.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._working.discard(request.protocol)
            self._waiting.pop(request.protocol, None)

    def _close(self, connections: Iterable[web.RequestHandler], now: float) -> None:
        idle = [connection for connection in connections if connection not in self._working]
        self._waiting = {connection: self._waiting.get(connection, now) for connection in idle}
        for connection, since in self._waiting.items():
            if now - since > self._seconds:
                connection.force_close()


async def read_body(request: web.Request, seconds: float = REQUEST_SECONDS) -> bytes:
    """The body of a request. Raises TimeoutError if it does not arrive in time, HTTPRequestEntityTooLarge."""
    async with asyncio.timeout(seconds):
        return await request.read()
