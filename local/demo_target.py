"""The demo target, as a process that ends with its parent.

    python -m local.demo_target SOCKET TEMPORARY_FOLDER

The socket is the number of an inherited descriptor that listens already.
"""

import asyncio
import sys
from pathlib import Path

from local.processes import end_with_parent
from local.target import target
from local.web import serve


def main() -> None:
    """Serve until killed."""
    descriptor, temporary_folder = sys.argv[1:]
    end_with_parent(Path(temporary_folder))
    asyncio.run(serve({int(descriptor): target()}))


if __name__ == "__main__":
    main()
