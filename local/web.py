"""The process that serves the API's front and the demo target, apart from the program that measures them.

    python -m local.web ENDPOINT_URL TASK_SOCKET TARGET_SOCKET TEMPORARY_FOLDER

The sockets are the numbers of inherited descriptors that listen already.
"""

import asyncio
import socket
import sys
from pathlib import Path

from aiohttp import web

from local.aws import Endpoint
from local.front import front
from local.processes import end_with_parent
from local.target import target

# Longer addresses and headers are for the gateway to judge.
MAX_LINE_BYTES = 32 * 1024


async def serve(applications: dict[int, web.Application]) -> None:
    """Serve each application on its inherited socket, until killed."""
    for descriptor, application in applications.items():
        runner = web.AppRunner(
            application, access_log=None, max_line_size=MAX_LINE_BYTES, max_field_size=MAX_LINE_BYTES
        )
        await runner.setup()
        await web.SockSite(runner, socket.socket(fileno=descriptor)).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve the two applications that the command line describes."""
    url, task_socket, target_socket, temporary_folder = sys.argv[1:]
    end_with_parent(Path(temporary_folder))
    asyncio.run(serve({int(task_socket): front(Endpoint(url=url)), int(target_socket): target()}))


if __name__ == "__main__":
    main()
