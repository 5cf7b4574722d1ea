"""An api process: serves the API and its documentation on a socket that it inherits, until SIGTERM."""

import asyncio
import signal
import socket
from contextlib import suppress

from host import heartbeat, telemetry
from host.functions import load
from host.platform import platform
from host.server import Server
from host.settings import Settings


def run(settings: Settings, descriptor: int) -> None:
    """Serve until told to stop; what runs then is finished."""
    ports = platform()
    telemetry.watch_pool(ports.database.pool_stats)
    server = Server(load("api"), load("docs"), settings)
    asyncio.run(_serve(server, socket.socket(fileno=descriptor)))
    ports.close()


async def _serve(server: Server, listener: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    stop = await server.start(listener)
    while not stopping.is_set():
        heartbeat.beat()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), heartbeat.SECONDS)
    await stop()
