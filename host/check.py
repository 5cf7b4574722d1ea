"""The container's health check: `python -m host.check` fails if the host of this container does not answer.

It asks the host itself, whatever proxy the environment names. With METRICS_PORT=0 there is nothing to ask.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4

EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen at that stand for all, and the one of them that is asked."""


def main() -> int:
    """Ask /liveness; the exit code."""
    port = int(os.environ.get("METRICS_PORT") or 2112)
    if not port:
        return 0
    address = os.environ.get("HTTP_HOST", "")
    connection = HTTPConnection(EVERY_ADDRESS.get(address, address), port, timeout=SECONDS)
    try:
        connection.request("GET", "/liveness")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"error: the host does not answer: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"error: the host answers with {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
