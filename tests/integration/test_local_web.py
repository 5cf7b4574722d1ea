"""The local cloud's servers: patient with slow answers, not with requests that never arrive."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from local.aws import Endpoint
from local.front import front
from local.ports import claim
from local.web import serve

PATIENCE = 0.3


def converse(client: Callable[[int], Awaitable[Any]], application: web.Application) -> Any:
    """Serve the application, while a client talks to it on its port."""

    async def both() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            serving = asyncio.create_task(serve({listener.detach(): application}, PATIENCE))
            try:
                return await asyncio.wait_for(client(port), 10)
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

    return asyncio.run(both())


def nowhere() -> web.Application:
    """The front of a cloud that does not answer."""
    return front(Endpoint(url=f"http://127.0.0.1:{claim(0, 'CLOUD_PORT')}"), patience=PATIENCE)


@pytest.mark.parametrize("sent", [b"", b"GET /liveness HTTP/1.1\r\nHost: a\r\n", b"\x00"])
def test_a_connection_without_a_whole_head_is_closed(sent: bytes) -> None:
    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        return answer

    answer = converse(client, nowhere())
    assert b"200" not in answer


def test_a_connection_that_sends_byte_after_byte_is_closed() -> None:
    async def client(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        closed = asyncio.create_task(reader.read())
        sent = 0
        while not closed.done():
            writer.write(b"a")
            sent += 1
            await asyncio.wait([closed], timeout=0.02)
        # The server closes it in the middle of what it is sent.
        await asyncio.gather(closed, return_exceptions=True)
        writer.close()
        return sent

    assert converse(client, nowhere()) > 1


def test_a_body_that_does_not_arrive_is_refused_and_its_connection_closed() -> None:
    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/task/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"67890")
        await reader.read()
        writer.close()
        return head

    head = converse(client, nowhere())
    assert head.startswith(b"HTTP/1.1 408 ")


def test_an_answer_may_take_longer_than_a_request() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(3 * PATIENCE)
        return web.Response(text="late")

    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    application = web.Application()
    application.router.add_get("/", slow)
    assert converse(client, application).endswith(b"late")
