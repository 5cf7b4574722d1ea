"""The process that serves the demo target and the API's front, apart from the program that measures them.

    python -m local.web TARGET_SOCKET [TASK_SOCKET ENDPOINT_URL]

The sockets are the numbers of inherited descriptors that listen already. Own servers need no front.
"""

import asyncio
import socket
import sys
from collections.abc import Mapping

from aiohttp import web

from local.aws import Endpoint
from local.front import front
from local.patience import REQUEST_SECONDS, Patience
from local.target import target

# Longer addresses and headers are for the gateway to judge.
MAX_LINE_BYTES = 32 * 1024


async def serve(applications: Mapping[int, web.Application], patience: float = REQUEST_SECONDS) -> None:
    """Serve each application on its inherited socket, until cancelled or killed."""
    async with asyncio.TaskGroup() as tasks:
        for descriptor, application in applications.items():
            tasks.create_task(_serve(application, socket.socket(fileno=descriptor), Patience(patience)))


async def _serve(application: web.Application, listener: socket.socket, patience: Patience) -> None:
    patience.watch(application)
    runner = web.AppRunner(
        application,
        access_log=None,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        # The front decodes bodies itself, and the target shows what has been sent.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        server = runner.server
        if server is None:
            raise RuntimeError("the application is not set up")
        await patience.close_late(lambda: server.connections)
    finally:
        await runner.cleanup()


def main() -> None:
    """Serve the applications that the command line describes."""
    target_socket, *fronted = sys.argv[1:]
    applications = {int(target_socket): target()}
    if fronted:
        task_socket, url = fronted
        applications[int(task_socket)] = front(Endpoint(url=url))
    asyncio.run(serve(applications))


if __name__ == "__main__":
    main()
