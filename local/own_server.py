"""The service as own servers run it, on this machine: for `make serve`, for tests and for benches.

    with OwnServer(directory=folder) as server:
        requests.post(f"{server.api_url}/v1/task/hello", json={})

Leaving it ends every process. The database stays in the directory, and is there when the next one starts.
"""

import fcntl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from local.client import answers
from local.environment import passed_on
from local.errors import LocalCloudError
from local.ports import HOST, claim, listen
from local.processes import Child, remove_folder
from local.seed import seed, through_where_new
from local.supervision import Children

PROJECT: Final = Path(__file__).resolve().parents[1]
STARTED_WITHIN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02
STOP_SECONDS: Final = 5
"""How long a stop lets running tasks finish."""

TARGET, NATS, DATABASE, HOST_PROCESS, BRIDGE = (
    "the demo target",
    "the NATS server",
    "PostgreSQL",
    "the host",
    "the bridge",
)

DEFAULTS: Final = {
    "TEMPLATE_WRITES": "on",
    "EGRESS_ALLOW": "127.0.0.0/8, ::1",
    "STOP_TIMEOUT": f"{STOP_SECONDS}s",
}
"""Settings of the service that differ here."""


@dataclass(frozen=True, kw_only=True)
class OwnPorts:
    """Where the servers listen; 0 chooses a free port."""

    task: int = 8082
    """The API. Set with TASK_PORT."""
    metrics: int = 8085
    """The host's metrics. Set with METRICS_PORT."""
    target: int = 8083
    """The demo target. Set with TARGET_PORT."""
    nats: int = 4222
    """The NATS server. Set with NATS_PORT."""
    bridge: int = 8084
    """The bridge's health and metrics. Set with BRIDGE_PORT."""


FREE: Final = OwnPorts(task=0, metrics=0, target=0, nats=0, bridge=0)


class OwnServer:
    """PostgreSQL, the host, a NATS server, the bridge and the demo target; a context manager.

    `settings` are environment variables of the host and the bridge. If they have a DATABASE_URL, that server is used,
    else one of our own, with its data in `data`. The `examples` are loaded where templates can be written.
    """

    def __init__(
        self,
        *,
        ports: OwnPorts = FREE,
        settings: Mapping[str, str] | None = None,
        directory: Path = PROJECT / ".local",
        data: Path | None = None,
        examples: bool = True,
    ) -> None:
        self.host_log = directory / "host.log"
        self.bridge_log = directory / "bridge.log"
        self.database_url = ""
        """How libpq reaches the database, once it is started."""
        self._ports = ports
        self._settings = DEFAULTS | {name: value for name, value in (settings or {}).items() if value}
        self._directory = directory
        self._data = data or directory / "postgres"
        self._has_examples = examples
        self._children = Children()
        self._held = ExitStack()
        """What stays open while the server runs: the target's socket, so that its clients wait, and a lock."""
        self._temporary: Path | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every process, load the examples, and return when API and bridge answer."""
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        self._claim_ports()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary = Path(tempfile.mkdtemp(prefix="task-service-"))
        self._start(NATS, "local.nats", str(self._ports.nats), str(temporary))
        self._start(
            TARGET, "local.demo_target", str(self._target.fileno()), str(temporary), inherited=[self._target.fileno()]
        )
        self.database_url = self._settings.get("DATABASE_URL") or self._start_database(temporary, deadline)
        self._migrate()
        self._start(HOST_PROCESS, "local.hosted", str(temporary))
        self._start(BRIDGE, "local.bridge", str(PROJECT), str(temporary))
        self._await_answer(f"{self.api_url}/readiness", HOST_PROCESS, self.host_log, deadline)
        if self._has_examples and self._settings["TEMPLATE_WRITES"].lower() in ("on", "true"):
            self._seed()
        self._await_answer(f"{self.bridge_url}/health", BRIDGE, self.bridge_log, deadline)

    def supervise(self) -> Iterator[str]:
        """Start what has ended again, and say so. Raises LocalCloudError where that does not help."""
        for name, exit_code in self._children.restart():
            yield f"{name[0].upper()}{name[1:]} has ended with exit code {exit_code}; it is started again."

    def stop(self) -> None:
        """End every process, the database last, and remove the temporary folder."""
        for name in (BRIDGE, HOST_PROCESS, DATABASE):
            self._children.end(name, within=STOP_SECONDS + 5)
        self._children.kill()
        self._held.close()
        if self._temporary is not None:
            remove_folder(self._temporary)
            self._temporary = None

    @property
    def api_url(self) -> str:
        """The API."""
        return f"http://{HOST}:{self._ports.task}"

    @property
    def metrics_url(self) -> str:
        """The host's metrics."""
        return f"http://{HOST}:{self._ports.metrics}/metrics"

    @property
    def target_url(self) -> str:
        """The demo target."""
        return f"http://{HOST}:{self._ports.target}"

    @property
    def nats_url(self) -> str:
        """The NATS server."""
        return f"nats://{HOST}:{self._ports.nats}"

    @property
    def bridge_url(self) -> str:
        """The bridge's health and metrics."""
        return f"http://{HOST}:{self._ports.bridge}"

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

    def _claim_ports(self) -> None:
        ports = self._ports
        self._target = self._held.enter_context(listen(ports.target, "TARGET_PORT"))
        self._ports = OwnPorts(
            task=claim(ports.task, "TASK_PORT"),
            metrics=claim(ports.metrics, "METRICS_PORT"),
            target=self._target.getsockname()[1],
            nats=claim(ports.nats, "NATS_PORT"),
            bridge=claim(ports.bridge, "BRIDGE_PORT"),
        )

    def _start_database(self, temporary: Path, deadline: float) -> str:
        # The lock ends with this process, however that ends.
        lock = self._held.enter_context((self._data.parent / f"{self._data.name}.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalCloudError(
                f"another program runs on the data in {self._data}: stop it, or name another server with DATABASE_URL"
            ) from None
        url_file = temporary / "postgres.url"
        self._start(DATABASE, "local.postgres", str(self._data), str(url_file))
        while not url_file.exists():
            self._children.check()
            if time.monotonic() > deadline:
                raise LocalCloudError(f"PostgreSQL does not answer; {self._data / 'log'} may say why")
            time.sleep(POLL_SECONDS)
        return url_file.read_text()

    def _migrate(self) -> None:
        command = [sys.executable, "-m", "host", "migrate"]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalCloudError(done.stderr.strip().removeprefix("error: "))

    def _seed(self) -> None:
        """Load the examples that are not there; past the API where that wants a token, for there is none here."""
        if not self.wants_tokens:
            seed(through_where_new(self.api_url), self.target_url)
            return
        environment = {**self.environment, "AUTH_ENABLED": "off"}
        command = [sys.executable, "-m", "local.seed", self.target_url, "--keep"]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalCloudError(f"the examples cannot be loaded: {done.stderr}")

    def _start(self, name: str, module: str, *arguments: str, inherited: Sequence[int] = ()) -> None:
        log = self._directory / f"{_LOGS.get(module) or module.removeprefix('local.')}.log"
        log.write_bytes(b"")
        command = ["-m", module, *arguments]
        self._children.start(
            name,
            lambda: Child(command, environment=self.environment, log=log, directory=PROJECT, inherited=inherited),
        )

    def _await_answer(self, url: str, name: str, log: Path, deadline: float) -> None:
        while not answers(url):
            self._children.check()
            if time.monotonic() > deadline:
                raise LocalCloudError(f"{name} does not answer; {log} may say why")
            time.sleep(POLL_SECONDS)


_LOGS: Final = {"local.hosted": "host", "local.demo_target": "target"}
"""What logs are called where the module has another name."""
