"""The process that also makes ports of the local cloud answer at another address of this machine.

    python -m local.relay SOCKET=PORT ...

Each SOCKET is the number of an inherited descriptor that listens already. What connects to it is connected to PORT.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Mapping
from functools import partial

from local.ports import HOST

CHUNK_BYTES = 64 * 1024


async def relay(ports: Mapping[int, int]) -> None:
    """Connect the clients of each inherited socket to its port, until killed."""
    async with contextlib.AsyncExitStack() as servers:
        for descriptor, port in ports.items():
            listener = socket.socket(fileno=descriptor)
            await servers.enter_async_context(await asyncio.start_server(partial(_connect, port), sock=listener))
        await asyncio.Event().wait()


async def _connect(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(OSError):
        # A server that is not there is a connection that ends.
        from_server, to_server = await asyncio.open_connection(HOST, port)
        directions = [
            asyncio.create_task(_copy(reader, to_server)),
            asyncio.create_task(_copy(from_server, writer)),
        ]
        try:
            # What one side ends has ended for both: no client of the AWS services closes half a connection.
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            to_server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A reset is an end, too.
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


def main() -> None:
    """Relay what the command line describes."""
    ports = {int(descriptor): int(port) for descriptor, _, port in (pair.partition("=") for pair in sys.argv[1:])}
    asyncio.run(relay(ports))


if __name__ == "__main__":
    main()
