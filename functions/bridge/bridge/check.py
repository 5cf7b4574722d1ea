"""The container's health check: `python -m bridge.check` fails if the bridge of this container does not work.

It asks the bridge itself, whatever proxy the environment names.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4


def main() -> int:
    """Ask /live; the exit code."""
    connection = HTTPConnection("127.0.0.1", int(os.environ["BRIDGE_PORT"]), timeout=SECONDS)
    try:
        connection.request("GET", "/live")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"error: the bridge does not answer: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"error: the bridge answers with {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
