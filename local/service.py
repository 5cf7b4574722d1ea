"""The common part of the local cloud and of own servers: processes with known addresses, which are supervised."""

import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from local.client import answers
from local.environment import PROJECT, passed_on
from local.errors import LocalCloudError
from local.ports import HOST, Ports, claim, listen
from local.processes import Child, remove_folder, run_module
from local.seed import api_at, seed
from local.supervision import Children

STARTED_WITHIN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02

NATS: Final = "the NATS server"
BRIDGE: Final = "the bridge"


class LocalService(ABC):
    """The API, the demo target, a NATS server and the bridge as processes; a context manager."""

    def __init__(self, *, ports: Ports, directory: Path) -> None:
        self.bridge_log = directory / "bridge.log"
        self._ports = ports
        self._directory = directory
        self._children = Children()
        self._held = ExitStack()
        """What is there while the service runs: the temporary folder, and files such as the target's socket."""
        self._temporary: Path

    def __enter__(self) -> Self:
        try:
            self.start()
            self.load()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start the processes that need nothing else."""

    @abstractmethod
    def load(self) -> None:
        """Start the others, load the examples, and return when API and bridge answer."""

    @property
    @abstractmethod
    def wants_tokens(self) -> bool:
        """Whether the API asks for a token."""

    def supervise(self) -> Iterator[str]:
        """Start what has ended again, and say so. Raises LocalCloudError where that does not help."""
        for name, exit_code in self._children.restart():
            yield f"{name[0].upper()}{name[1:]} has ended with exit code {exit_code}; it is started again."
            yield from self._refill(name)

    def stop(self) -> None:
        """End every process and remove the temporary folder."""
        self._children.kill()
        self._held.close()

    @property
    def api_url(self) -> str:
        """The API, at an address that stays the same."""
        return f"http://{HOST}:{self._ports.task}"

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

    def _refill(self, name: str) -> Iterator[str]:
        """Give a process back what it had in memory, and say so; most have nothing there."""
        yield from ()

    def _claim(self, *names: str) -> None:
        """Claim ports for servers that can only be told a number."""
        claimed = {name: claim(getattr(self._ports, name), f"{name.upper()}_PORT") for name in names}
        self._ports = replace(self._ports, **claimed)

    def _listen(self, name: str) -> socket.socket:
        """Claim a port with a socket that stays open here, so that clients wait while its server is started again."""
        listener = self._held.enter_context(listen(getattr(self._ports, name), f"{name.upper()}_PORT"))
        self._ports = replace(self._ports, **{name: listener.getsockname()[1]})
        return listener

    def _make_folders(self) -> None:
        """Make the folder of the logs, and a temporary one."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._temporary = Path(tempfile.mkdtemp(prefix="task-service-"))
        self._held.callback(remove_folder, self._temporary)

    def _start(
        self,
        name: str,
        module: str,
        *arguments: str,
        log: Path,
        environment: Callable[[], Mapping[str, str]] = passed_on,
        inherited: Sequence[int] = (),
    ) -> None:
        """Start a module of this project as a process that ends with this one, and writes to an empty log."""
        log.write_bytes(b"")
        command = ["-m", "local.program", str(self._temporary), module, *arguments]
        self._children.start(name, lambda: Child(command, environment=environment(), log=log, inherited=inherited))

    def _start_nats(self) -> None:
        store = str(self._temporary / "jetstream")
        self._start(NATS, "local.nats", str(self._ports.nats), store, log=self._directory / "nats.log")

    def _start_bridge(self, environment: Callable[[], Mapping[str, str]]) -> None:
        folder = {"PYTHONPATH": str(PROJECT / "functions" / "bridge")}
        self._start(BRIDGE, "bridge", log=self.bridge_log, environment=lambda: {**environment(), **folder})

    def _await_answer(self, url: str, name: str, log: Path) -> None:
        self._await(lambda: answers(url), name, log)

    def _await(self, condition: Callable[[], bool], name: str, log: Path) -> None:
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while not condition():
            self._children.check()
            if time.monotonic() > deadline:
                raise LocalCloudError(f"{name} does not answer; {log} may say why")
            time.sleep(POLL_SECONDS)

    def _seed(self, environment: Mapping[str, str], *, keeps: bool) -> None:
        """Load the examples; where the API wants a token, with its code in another process: there is none here."""
        if not self.wants_tokens:
            seed(api_at(self.api_url), self.target_url, keeps=keeps)
            return
        done = run_module("local.seed", self.target_url, *(["--keep"] if keeps else []), environment=environment)
        if done.returncode:
            raise LocalCloudError(f"the examples cannot be loaded: {done.stderr}")
