"""A NATS server, bridges and publishers as tests use them: started, killed and started again."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
import nats.errors
import requests
from nats.aio.client import Client

from local.environment import PROJECT
from local.nats import server_program
from local.ports import HOST, claim
from tests.support.events import Published
from tests.support.sessions import direct
from tests.support.waiting import WITHIN_SECONDS, wait_until

MAKE_PUBLISH = f"make -o .venv/local.stamp BIN={Path(sys.executable).parent} publish"
"""`make publish`, with the programs of this environment, and without installing anything."""


class _Process(ABC):
    """A process that can be ended gently, or not."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @abstractmethod
    def start(self) -> None:
        """Start, or start again, and return when it works."""

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """End it at once, and start it again."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Have it do nothing, with its connections open, until it is thawed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WITHIN_SECONDS)


class NatsServer(_Process):
    """A server on a port of its own, which survives its restarts as its stored events do."""

    def __init__(self, folder: Path, *options: str, port: int = 0, stores: bool = True) -> None:
        super().__init__()
        folder.mkdir(exist_ok=True)
        self.port = claim(port, "NATS_PORT")
        self.url = f"nats://{HOST}:{self.port}"
        self._log = folder / "nats.log"
        storage = ("-js", "-sd", str(folder / "jetstream")) if stores else ()
        self._command = [server_program(), "-a", HOST, "-p", str(self.port), *storage, *options]

    def start(self) -> None:
        """Start it, with the events that it has stored."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            with socket.create_connection((HOST, self.port), 1) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False


class Bridge(_Process):
    """The bridge as it is deployed: a process with settings in its environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str], **settings: str) -> None:
        super().__init__()
        self.port = claim(0, "BRIDGE_PORT")
        self._log = folder / f"bridge-{self.port}.log"
        passed_on = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {**passed_on, **environment, "BRIDGE_PORT": str(self.port), **settings}

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bridge"],
                cwd=PROJECT / "functions" / "bridge",
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers)

    @property
    def log(self) -> str:
        """Its log."""
        return self._log.read_text()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /health."""
        answer = direct().get(f"http://{HOST}:{self.port}/health", timeout=5)
        return answer.status_code, answer.json()

    def is_well(self) -> bool:
        """Whether NATS delivers and SQS takes."""
        return self.health()[0] == 200

    def metric(self, name: str, **labels: str) -> float:
        """A value of /metrics."""
        inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
        sample = f"{name}{{{inside}}} " if labels else f"{name} "
        text = direct().get(f"http://{HOST}:{self.port}/metrics", timeout=5).text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(sample)), 0.0)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return direct().get(f"http://{HOST}:{self.port}/live", timeout=5).ok
        except requests.ConnectionError:
            return False


def publish(server: str, events: Sequence[Published], subject: str = "external", **options: Any) -> None:
    """Publish by core NATS; the server has all of them on return."""

    async def run() -> None:
        client = await nats.connect(server, **options)
        for headers, payload in events:
            await client.publish(subject, payload, headers=headers)
        await client.flush(10)
        await client.close()

    asyncio.run(run())


def publish_raw(server: str, *messages: bytes) -> None:
    """Send the protocol's own bytes, as no client would write them; the server has taken all of them on return."""
    host, _, port = server.removeprefix("nats://").partition(":")
    with socket.create_connection((host, int(port)), WITHIN_SECONDS) as connection:
        # The server answers the second PING after it has read the messages before it.
        connection.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nPING\r\n' + b"".join(messages) + b"PING\r\n")
        answer = b""
        while answer.count(b"PONG\r\n") < 2:
            answer += (more := connection.recv(65_536))
            assert more, answer


def headed(block: bytes, payload: bytes, subject: bytes = b"external") -> bytes:
    """A message with this header block, as a publisher sends it."""
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (subject, len(block), len(block) + len(payload), block, payload)


def publish_durably(
    server: str, events: Sequence[Published], subject: str = "external", *, at: Mapping[int, Callable[[], None]]
) -> None:
    """Publish at full speed until the stream has every event, however often the server goes down.

    `at` says what is done, in a thread, when so many events are stored.
    """
    asyncio.run(_publish_durably(server, events, subject, at))


async def _publish_durably(
    server: str, events: Sequence[Published], subject: str, at: Mapping[int, Callable[[], None]]
) -> None:
    client = Client()
    await client.connect(server, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=_ignore)  # type: ignore[arg-type]
    jetstream = client.jetstream(timeout=1)
    stored, doing = 0, list[asyncio.Task[None]]()
    under_way = asyncio.Semaphore(500)

    async def publish_one(headers: dict[str, str] | None, payload: bytes) -> None:
        nonlocal stored
        async with under_way:
            while True:
                try:
                    await jetstream.publish(subject, payload, headers=headers)
                    break
                except nats.errors.Error:
                    await asyncio.sleep(0.05)
        stored += 1
        if stored in at:
            doing.append(asyncio.create_task(asyncio.to_thread(at[stored])))

    await asyncio.gather(*(publish_one(*event) for event in events))
    await asyncio.gather(*doing)
    await client.close()


async def _ignore(_: Exception) -> None:
    """The server going down is the test's own doing."""


def event_ids(bodies: Sequence[str]) -> list[str]:
    """The ids of structured events in the messages of an event queue."""
    return [json.loads(json.loads(body)["data"])["id"] for body in bodies]
