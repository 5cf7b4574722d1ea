"""The local cloud as an object: for `make run`, for tests and for benches.

    with LocalCloud(directory=folder) as cloud:
        requests.post(f"{cloud.api_url}/v1/task/hello", json={})

Leaving it ends every process and removes what they left behind, except the logs in the directory.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from local.aws import Endpoint
from local.deployment import Deployed, Prepared, deploy, prepare
from local.environment import PROJECT, passed_on
from local.ports import FREE_PORTS, HOST, Ports, listen
from local.processes import Child
from local.service import BRIDGE, LocalService
from local.stack import Stack

STREAM = "external"
"""The JetStream stream in which the local cloud keeps what is published for the bridge."""
EMULATOR = "the cloud"


class LocalCloud(LocalService):
    """MiniStack with the stack deployed, the API's front, and the demo target; a context manager.

    `settings` are the environment variables that override parameters of the template, `directory` is where the logs
    go. The AWS services and the demo target also answer at `listen_host`, on the same ports. Many can run at once, each
    with a directory of its own.
    """

    def __init__(
        self,
        *,
        ports: Ports = FREE_PORTS,
        listen_host: str | None = None,
        settings: Mapping[str, str] | None = None,
        directory: Path = PROJECT / ".local",
    ) -> None:
        super().__init__(ports=ports, directory=directory)
        self.functions_log = directory / "functions.log"
        self._cloud_log = directory / "cloud.log"
        self._relay_log = directory / "relay.log"
        self.endpoint = Endpoint(url=f"http://{HOST}:{ports.cloud}")
        """The AWS services of this cloud, once it has started."""
        self._listen_host = listen_host
        self._settings = dict(settings or {})
        self.deployed: Deployed
        """The stack as the latest deployment made it."""
        self._names: dict[str, str] = {}

    def start(self) -> None:
        """Start every process but the bridge. Nothing is deployed yet."""
        self._claim("cloud", "nats", "bridge")
        task, target = self._listen("task"), self._listen("target")
        self.endpoint = Endpoint(url=f"http://{HOST}:{self._ports.cloud}")
        self._make_folders()
        self.functions_log.write_bytes(b"")
        printed = str(self.functions_log)
        self._start(EMULATOR, "local.emulator", printed, log=self._cloud_log, environment=self._cloud_environment)
        self._start_nats()
        sockets = [target.fileno(), task.fileno()]
        self._start(
            "the API's front",
            "local.web",
            *map(str, sockets),
            self.endpoint_url,
            log=self._directory / "web.log",
            inherited=sockets,
        )
        if self._listen_host is not None:
            self._relay_log.write_bytes(b"")
            self._children.start("the relay", partial(self._start_relay, self._listen_host))

    def load(self) -> None:
        """Deploy, load the examples, and return when the API answers."""
        self._fill()
        self._start_bridge(lambda: self.bridge_environment)
        self._await_answer(f"{self.bridge_url}/health", BRIDGE, self.bridge_log)

    def _refill(self, name: str) -> Iterator[str]:
        if name == EMULATOR:
            yield "Its memory is gone: the stack is deployed again, with the examples and without tasks."
            self._fill()
            yield "It is ready again."

    def _fill(self) -> None:
        """Deploy into an emulator that has just started, and load the examples."""
        prepared = self._prepare()
        self._await_answer(f"{self.endpoint_url}/_ministack/health", EMULATOR, self._cloud_log)
        self._deploy(prepared)
        if self.deployed.parameters.get("TemplateWrites") != "off":
            self._seed(service_environment(self.endpoint, self.outputs), keeps=False)

    def deploy(self) -> None:
        """Deploy the project as it is now."""
        self._deploy(self._prepare())

    @property
    def endpoint_url(self) -> str:
        """The address of the AWS services."""
        return self.endpoint.url

    @property
    def gateway_url(self) -> str:
        """The API, past the front, until the next deployment."""
        return self.deployed.gateway_url

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
        """The processes that run a function, given its logical id."""
        if function not in self._names:
            self._names[function] = Stack(self.endpoint).physical_id(function)
        worker = f"{self._temporary}/ministack-lambda-{self._names[function]}-"
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            # One that has just ended has no command line. The processes of policies name the layer's folder further on.
            if any(argument.startswith(worker) for argument in (process.info["cmdline"] or ())[1:2])
        ]

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The environment in which a bridge serves this cloud."""
        chosen = {name: self._settings[name] for name in ("NATS_SUBJECT", "LOG_LEVEL") if self._settings.get(name)}
        return {
            **passed_on(),
            **self.endpoint.environment,
            "EVENT_QUEUE_URL": self.outputs["EventQueueUrl"],
            "NATS_ADDR": self.nats_url,
            "NATS_STREAM": STREAM,
            "BRIDGE_HOST": HOST,
            "BRIDGE_PORT": str(self._ports.bridge),
            **chosen,
        }

    def _start_relay(self, host: str) -> Child:
        with (
            listen(self._ports.cloud, "CLOUD_PORT", host) as cloud,
            listen(self._ports.target, "TARGET_PORT", host) as target,
        ):
            relayed = {cloud.fileno(): self._ports.cloud, target.fileno(): self._ports.target}
            pairs = [f"{each}={port}" for each, port in relayed.items()]
            command = ["-m", "local.program", str(self._temporary), "local.relay", *pairs]
            return Child(command, environment=passed_on(), log=self._relay_log, inherited=[*relayed])

    def _prepare(self) -> Prepared:
        return prepare(log=self._directory / "build.log", temporary=self._temporary)

    def _deploy(self, prepared: Prepared) -> None:
        self._names.clear()
        self.deployed = deploy(self.endpoint, prepared, self._settings)

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


def service_environment(endpoint: Endpoint, outputs: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that works with the API's code on the stack with these outputs."""
    return {
        **passed_on(),
        **endpoint.environment,
        # The name that botocore reads, as on Lambda.
        "AWS_DEFAULT_REGION": endpoint.region,
        "PYTHONPATH": str(PROJECT / "layers" / "core"),
        "TABLE_NAME": outputs["TableName"],
        "QUEUE_URL": outputs["QueueUrl"],
        "BUCKET_NAME": outputs["BucketName"],
        "TEMPLATE_WRITES": "on",
    }
