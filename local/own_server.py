"""The service as own servers run it, on this machine: for `make serve`, for tests and for benches.

    with OwnServer(directory=folder) as server:
        requests.post(f"{server.api_url}/v1/task/hello", json={})

Leaving it ends every process. The database stays in the directory, and is there when the next one starts.
"""

import fcntl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.environment import PROJECT, passed_on
from local.errors import LocalCloudError
from local.ports import FREE_PORTS, HOST, Ports
from local.processes import Child, run_module
from local.service import BRIDGE, LocalService

STOP_SECONDS: Final = 5
"""How long a stop lets running tasks finish."""

TARGET: Final = "the demo target"
DATABASE: Final = "PostgreSQL"
HOST_PROCESS: Final = "the host"

DEFAULTS: Final = {
    "TEMPLATE_WRITES": "on",
    "EGRESS_ALLOW": "127.0.0.0/8, ::1",
    "STOP_TIMEOUT": f"{STOP_SECONDS}s",
}
"""Settings of the service that differ here."""


class OwnServer(LocalService):
    """PostgreSQL, the host, a NATS server, the bridge and the demo target; a context manager.

    `settings` are environment variables of the host and the bridge. If they have a DATABASE_URL, that server is used,
    else one of our own, with its data in `data`. The `examples` are loaded where templates can be written.
    """

    def __init__(
        self,
        *,
        ports: Ports = FREE_PORTS,
        settings: Mapping[str, str] | None = None,
        directory: Path = PROJECT / ".local",
        data: Path | None = None,
        examples: bool = True,
    ) -> None:
        super().__init__(ports=ports, directory=directory)
        self.host_log = directory / "host.log"
        self.database_url = ""
        """How libpq reaches the database, once it is started."""
        self._settings = DEFAULTS | {name: value for name, value in (settings or {}).items() if value}
        self._data = data or directory / "postgres"
        self._has_examples = examples

    def start(self) -> None:
        """Start the database, where it is one of our own, and what needs none."""
        target = self._listen("target")
        self._claim("task", "metrics", "nats", "bridge")
        self._make_folders()
        self._start_nats()
        socket = target.fileno()
        self._start(TARGET, "local.web", str(socket), log=self._directory / "target.log", inherited=[socket])
        self.database_url = self._settings.get("DATABASE_URL") or self._start_database()

    def load(self) -> None:
        """Start the others, load the examples, and return when API and bridge answer."""
        self._migrate()
        self._start(
            HOST_PROCESS,
            "host",
            "all",
            log=self.host_log,
            # Where what a kill leaves is removed.
            environment=lambda: {**self.environment, "TMPDIR": str(self._temporary)},
        )
        self._start_bridge(lambda: self.environment)
        self._await_answer(f"{self.api_url}/readiness", HOST_PROCESS, self.host_log)
        if self._has_examples and self._settings["TEMPLATE_WRITES"].lower() in ("on", "true"):
            self._seed({**self.environment, "AUTH_ENABLED": "off"}, keeps=True)
        self._await_answer(f"{self.bridge_url}/health", BRIDGE, self.bridge_log)

    def stop(self) -> None:
        """End every process, the database last, and remove the temporary folder."""
        for name in (BRIDGE, HOST_PROCESS, DATABASE):
            self._children.end(name, within=STOP_SECONDS + 5)
        super().stop()

    @property
    def metrics_url(self) -> str:
        """The host's metrics."""
        return f"http://{HOST}:{self._ports.metrics}/metrics"

    @property
    def wants_tokens(self) -> bool:
        """Whether the API asks for a token."""
        return self._settings.get("AUTH_ENABLED", "").lower() in ("on", "true")

    @property
    def pids(self) -> dict[str, int]:
        """The processes by their names, without those that they have started."""
        return self._children.pids()

    @property
    def host_pid(self) -> int:
        """The host's first process."""
        return self.pids[HOST_PROCESS]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of host and bridge."""
        return {
            **passed_on(),
            **self._settings,
            "PYTHONPATH": str(PROJECT / "layers" / "core"),
            "DATABASE_URL": self.database_url,
            "HTTP_HOST": HOST,
            "HTTP_PORT": str(self._ports.task),
            "METRICS_PORT": str(self._ports.metrics),
            "NATS_ADDR": self.nats_url,
            "BRIDGE_HOST": HOST,
            "BRIDGE_PORT": str(self._ports.bridge),
        }

    def _start_database(self) -> str:
        # The lock ends with this process, however that ends.
        lock = self._held.enter_context((self._data.parent / f"{self._data.name}.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalCloudError(
                f"another program runs on the data in {self._data}: stop it, or name another server with DATABASE_URL"
            ) from None
        url_file = self._temporary / "postgres.url"
        command = ["-m", "local.postgres", str(self._data), str(url_file)]
        log = self._directory / "postgres.log"
        log.write_bytes(b"")
        # Not through local.program, which would kill it with its parent; it stops the server then.
        self._children.start(DATABASE, lambda: Child(command, environment=self.environment, log=log))
        self._await(url_file.exists, DATABASE, self._data / "log")
        return url_file.read_text()

    def _migrate(self) -> None:
        done = run_module("host", "migrate", environment=self.environment)
        if done.returncode:
            raise LocalCloudError(done.stderr.strip().removeprefix("error: "))
