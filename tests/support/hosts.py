"""A host whose processes and whose PostgreSQL can be killed."""

import subprocess
from contextlib import suppress
from typing import Any

import psutil

from local.own_server import OwnServer
from local.service import BRIDGE
from tests.support.api import PATIENCE, Api, eventually
from tests.support.postgres import Server


class FaultyHost:
    """A host of `make serve`, on a server of the tests'."""

    def __init__(self, server: OwnServer, database: Server) -> None:
        self.server = server
        self.database = database
        self.api = Api(server.api_url)

    def processes(self, kind: str) -> list[psutil.Process]:
        """The processes of a kind: api or worker."""
        found = []
        for child in psutil.Process(self.server.host_pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if f"{kind}-process" in child.cmdline():
                    found.append(child)
        return found

    def is_alive(self) -> bool:
        """Whether the API answers and can work."""
        try:
            return self.api.call("GET", "/readiness").status == 200
        except OSError:
            return False

    def kill_any(self, what: str) -> None:
        """Kill the processes of a kind, or the bridge, or the database."""
        if what == "bridge":
            self.kill_bridge()
        elif what == "database":
            self.kill_database()
        else:
            self.kill(what)

    def kill_on(self, port: int) -> None:
        """Kill the process of this host whose connection has this port."""
        for process in psutil.Process(self.server.host_pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if port in {connection.laddr.port for connection in process.net_connections("tcp") if connection.laddr}:
                    process.kill()

    def kill(self, kind: str) -> None:
        """Kill all processes of a kind."""
        doomed = self.processes(kind)
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def kill_bridge(self) -> None:
        """Kill the bridge, and start it again as `make serve` does."""
        psutil.Process(self.server.pids[BRIDGE]).kill()
        eventually(lambda: list(self.server.supervise()), what="the bridge is started again")

    def kill_database(self) -> None:
        """Kill PostgreSQL, and start it again."""
        self.database.kill()

        def is_started() -> bool:
            try:
                self.database.start()
            except subprocess.CalledProcessError:
                # A process that was just being forked still holds the shared memory.
                return False
            return True

        eventually(is_started, what="PostgreSQL has started again")

    def create(self, path: str, key: str) -> str:
        """Create a task or a list as a client does that repeats what is not answered; returns its id."""

        def created() -> str | None:
            try:
                answer = self.api.call("POST", path, "{}", {"Idempotency-Key": key})
            except OSError:
                return None
            return next(iter(answer.json().values())) if answer.status == 200 else None

        return str(eventually(created, what=f"{path} is created"))

    def ended(self, task_id: str) -> Any:
        """The status of a task that has ended, read by a client that repeats what is not answered."""
        return self._ended(f"/v1/taskStatus/{task_id}", task_id)

    def list_ended(self, list_id: str) -> Any:
        """The same of a list."""
        return self._ended(f"/v1/taskListStatus/{list_id}", list_id)

    def _ended(self, path: str, record_id: str) -> Any:
        def status() -> Any:
            try:
                answer = self.api.call("GET", path)
            except OSError:
                return None
            return answer.json() if answer.status in (200, 207) else None

        return eventually(status, what=f"{record_id} has ended", seconds=2 * PATIENCE)

    def wait_for(self, kind: str, *, other_than: set[int]) -> None:
        """Return when a new process of a kind runs."""
        eventually(
            lambda: {process.pid for process in self.processes(kind)} - other_than,
            what=f"a new {kind} process runs",
        )
