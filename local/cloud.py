"""The local cloud as an object: for `make run`, for tests and for benches.

    with LocalCloud(directory=folder) as cloud:
        requests.post(f"{cloud.api_url}/v1/task/hello", json={})

Leaving it ends every process and removes what they left behind, except the logs in the directory.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.artifacts import Workshop
from local.aws import Endpoint
from local.client import answers
from local.deployment import Deployed, Prepared, deploy, prepare, stack_at
from local.environment import build_environment, passed_on
from local.errors import LocalCloudError
from local.ports import HOST, Ports, claim, listen
from local.processes import Child, remove_folder
from local.seed import seed, through
from local.supervision import Children

PROJECT = Path(__file__).resolve().parents[1]
FREE_PORTS = Ports(cloud=0, task=0, target=0, nats=0, bridge=0)
STREAM = "external"
"""The JetStream stream in which the local cloud keeps what is published for the bridge."""
EMULATOR = "the cloud"
STARTED_WITHIN_SECONDS = 60.0
POLL_SECONDS = 0.02


class LocalCloud:
    """MiniStack with the stack deployed, the API's front, and the demo target; a context manager.

    `settings` are the environment variables that override parameters of the template, `directory` is where the logs
    go, `project` is what is deployed. The AWS services and the demo target also answer at `listen_host`, on the same
    ports. Many can run at once, each with a directory of its own.
    """

    def __init__(
        self,
        *,
        ports: Ports = FREE_PORTS,
        listen_host: str | None = None,
        settings: Mapping[str, str] | None = None,
        directory: Path = PROJECT / ".local",
        project: Path = PROJECT,
    ) -> None:
        self.functions_log = directory / "functions.log"
        self.cloud_log = directory / "cloud.log"
        self.web_log = directory / "web.log"
        self.nats_log = directory / "nats.log"
        self.bridge_log = directory / "bridge.log"
        self.relay_log = directory / "relay.log"
        self._logs = (self.functions_log, self.cloud_log, self.web_log, self.nats_log, self.bridge_log, self.relay_log)
        self.endpoint = Endpoint(url=f"http://{HOST}:{ports.cloud}")
        """The AWS services of this cloud, once it has started."""
        self._ports = ports
        self._listen_host = listen_host
        self._settings = dict(settings or {})
        self._directory = directory
        self._project = project
        self._children = Children()
        self._sockets: list[socket.socket] = []
        self._temporary: Path | None = None
        self._deployed: Deployed | None = None
        self._names: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
            self.load()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every process. Nothing is deployed yet."""
        cloud_port = claim(self._ports.cloud, "CLOUD_PORT")
        nats_port, bridge_port = claim(self._ports.nats, "NATS_PORT"), claim(self._ports.bridge, "BRIDGE_PORT")
        # They stay open here, so that clients wait while the front is started again.
        for port, variable in ((self._ports.task, "TASK_PORT"), (self._ports.target, "TARGET_PORT")):
            self._sockets.append(listen(port, variable))
        task, target = self._sockets
        self._ports = Ports(
            cloud=cloud_port,
            task=task.getsockname()[1],
            target=target.getsockname()[1],
            nats=nats_port,
            bridge=bridge_port,
        )
        self.endpoint = Endpoint(url=f"http://{HOST}:{cloud_port}")
        self._directory.mkdir(parents=True, exist_ok=True)
        for log in self._logs:
            log.write_bytes(b"")
        self._temporary = Path(tempfile.mkdtemp(prefix="task-service-"))
        self._children.start(EMULATOR, self._start_emulator)
        self._children.start("the NATS server", self._start_nats)
        self._children.start("the API's front", self._start_front)
        if self._listen_host is not None:
            self._children.start("the relay", partial(self._start_relay, self._listen_host))

    def load(self) -> None:
        """Deploy, load the examples, and return when the API answers."""
        prepared = prepare(self._project, self._workshop(self._project))
        deadline = _soon()
        self._fill(prepared, deadline)
        self._children.start("the bridge", self._start_bridge)
        self._await_answer(f"{self.bridge_url}/health", "the bridge", self.bridge_log, deadline)

    def supervise(self) -> Iterator[str]:
        """Start what has ended again, and say so. Raises LocalCloudError where that does not help."""
        for name, exit_code in self._children.restart():
            yield f"{name[0].upper()}{name[1:]} has ended with exit code {exit_code}; it is started again."
            if name == EMULATOR:
                yield "Its memory is gone: the stack is deployed again, with the examples and without tasks."
                self._fill(prepare(self._project, self._workshop(self._project)), _soon())
                yield "It is ready again."

    def _fill(self, prepared: Prepared, deadline: float) -> None:
        """Deploy into an emulator that has just started, and load the examples."""
        self._await_answer(f"{self.endpoint_url}/_ministack/health", EMULATOR, self.cloud_log, deadline)
        deployed = self._deploy(prepared)
        if deployed.parameters.get("TemplateWrites") != "off":
            if self.wants_tokens:
                self._seed_past_the_api()
            else:
                seed(through(self.api_url), self.target_url)

    def deploy(self, project: Path | None = None) -> Deployed:
        """Deploy the project as it is now, or another folder that is like it."""
        project = project or self._project
        return self._deploy(prepare(project, self._workshop(project)))

    def stop(self) -> None:
        """End every process and remove the temporary folder."""
        self._children.kill()
        for listener in self._sockets:
            listener.close()
        self._sockets.clear()
        if self._temporary is not None:
            remove_folder(self._temporary)
            self._temporary = None

    @property
    def endpoint_url(self) -> str:
        """The address of the AWS services."""
        return self.endpoint.url

    @property
    def api_url(self) -> str:
        """The API, at an address that stays the same."""
        return f"http://{HOST}:{self._ports.task}"

    @property
    def gateway_url(self) -> str:
        """The API, past the front, until the next deployment."""
        return self.deployed.gateway_url

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
    def deployed(self) -> Deployed:
        """What the latest deployment made."""
        if self._deployed is None:
            raise LocalCloudError("nothing is deployed yet")
        return self._deployed

    @property
    def wants_tokens(self) -> bool:
        """Whether the API asks for a token."""
        return self.deployed.parameters.get("AuthEnabled") in ("on", "true")

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack."""
        return self.deployed.outputs

    def client(self, service: str) -> Any:
        """A boto3 client of a service of this cloud."""
        return self.endpoint.client(service)

    def worker_pids(self, function: str) -> list[int]:
        """The processes that run a function, given its logical id (on Linux only)."""
        if function not in self._names:
            self._names[function] = stack_at(self.endpoint).physical_id(function)
        worker = os.fsencode(f"{self._temporary}/ministack-lambda-{self._names[function]}-")
        pids = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = command.read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            if len(arguments) > 1 and arguments[1].startswith(worker):
                pids.append(int(command.parent.name))
        return sorted(pids)

    def _seed_past_the_api(self) -> None:
        """Load the examples into the table itself, because there is no token for the API here."""
        environment = service_environment(self.endpoint, self.outputs, self._project)
        command = [sys.executable, "-m", "local.seed", self.target_url]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalCloudError(f"the examples cannot be loaded: {done.stderr}")

    def bridge_environment(self, deployed: Deployed) -> dict[str, str]:
        """The environment in which a bridge serves this cloud."""
        chosen = {name: self._settings[name] for name in ("NATS_SUBJECT", "LOG_LEVEL") if self._settings.get(name)}
        return passed_on() | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.endpoint.region,
            "AWS_ACCESS_KEY_ID": self.endpoint.access_key,
            "AWS_SECRET_ACCESS_KEY": self.endpoint.secret_key,
            "EVENT_QUEUE_URL": deployed.outputs["EventQueueUrl"],
            "NATS_ADDR": self.nats_url,
            "NATS_STREAM": STREAM,
            "BRIDGE_HOST": HOST,
            "BRIDGE_PORT": str(self._ports.bridge),
            **chosen,
        }

    def _start_emulator(self) -> Child:
        command = ["-m", "local.emulator", str(self.functions_log), str(self._temporary)]
        return _child(command, self._cloud_environment(), self.cloud_log)

    def _start_nats(self) -> Child:
        command = ["-m", "local.nats", str(self._ports.nats), str(self._temporary)]
        return _child(command, passed_on(), self.nats_log)

    def _start_front(self) -> Child:
        sockets = [listener.fileno() for listener in self._sockets]
        command = ["-m", "local.web", self.endpoint_url, *map(str, sockets), str(self._temporary)]
        return _child(command, passed_on(), self.web_log, inherited=sockets)

    def _start_bridge(self) -> Child:
        command = ["-m", "local.bridge", str(self._project), str(self._temporary)]
        return _child(command, self.bridge_environment(self.deployed), self.bridge_log)

    def _start_relay(self, host: str) -> Child:
        with (
            listen(self._ports.cloud, "CLOUD_PORT", host) as cloud,
            listen(self._ports.target, "TARGET_PORT", host) as target,
        ):
            relayed = {cloud.fileno(): self._ports.cloud, target.fileno(): self._ports.target}
            command = ["-m", "local.relay", str(self._temporary), *(f"{each}={port}" for each, port in relayed.items())]
            return _child(command, passed_on(), self.relay_log, inherited=[*relayed])

    def _await_answer(self, url: str, name: str, log: Path, deadline: float) -> None:
        while not answers(url):
            self._children.check()
            if time.monotonic() > deadline:
                raise LocalCloudError(f"{name} does not answer; {log} may say why")
            time.sleep(POLL_SECONDS)

    def _workshop(self, project: Path) -> Workshop:
        return Workshop(project, self._directory / "build.log", build_environment(self._temporary))

    def _deploy(self, prepared: Prepared) -> Deployed:
        self._names.clear()
        self._deployed = deploy(self.endpoint, prepared, self._settings)
        return self._deployed

    def _cloud_environment(self) -> dict[str, str]:
        return passed_on() | {
            "TMPDIR": str(self._temporary),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._ports.cloud),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": self.endpoint.region,
            # Listeners that nothing here uses.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }


def service_environment(endpoint: Endpoint, outputs: Mapping[str, str], project: Path = PROJECT) -> dict[str, str]:
    """The environment of a process that works with the API's code on the stack with these outputs."""
    return passed_on() | {
        "PYTHONPATH": str(project / "layers" / "core"),
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "TABLE_NAME": outputs["TableName"],
        "QUEUE_URL": outputs["QueueUrl"],
        "BUCKET_NAME": outputs["BucketName"],
        "TEMPLATE_WRITES": "on",
    }


def _child(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, inherited: Sequence[int] = ()
) -> Child:
    return Child(command, environment=environment, log=log, directory=PROJECT, inherited=inherited)


def _soon() -> float:
    return time.monotonic() + STARTED_WITHIN_SECONDS
