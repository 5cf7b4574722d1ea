"""The first process of a host: starts the others, replaces those that crash or hang, and serves metrics."""

import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import multiprocess

from host import ROOT
from host.heartbeat import HANGS, Heartbeats
from host.settings import Settings, SettingsError

log: Final = logging.getLogger("task")

POLL_SECONDS: Final = 0.05
LONGEST_PAUSE: Final = 10.0
"""A process that crashes at once, again and again, is started again after this many seconds at most."""

OTHER_FILES: Final = 200
"""The most files of an api process beside its clients' connections."""

SURVIVED: Final = 30.0
"""A process that has run for so many seconds did not crash at once."""


@dataclass(kw_only=True, eq=False)
class _Place:
    """A process that has to run."""

    kind: str
    process: "subprocess.Popen[bytes]"
    heartbeats: Heartbeats
    begun: float
    crashes: int = 0
    starts_at: float | None = None
    """When the next process starts in this place; None: one runs."""


@dataclass(kw_only=True, eq=False)
class Supervisor:
    """Keeps api processes and workers running."""

    settings: Settings
    kinds: tuple[str, ...]
    """Of api and worker, what this host runs."""
    _listener: socket.socket | None = None
    _places: list[_Place] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, watch: Callable[[], Any]) -> None:
        """Run until SIGTERM or Ctrl-C; `watch` starts what shows the host's metrics."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        with _temporary_folder() as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            if "api" in self.kinds:
                allow_files(self.settings.connections + OTHER_FILES)
                self._listener = listen(self.settings.http_host, self.settings.http_port)
            watch()
            counts = {"api": self.settings.api_processes, "worker": self.settings.worker_processes}
            for kind in self.kinds:
                self._places += [self._place(kind) for _ in range(counts[kind])]
            try:
                while not self._stopping.wait(POLL_SECONDS):
                    for place in self._places:
                        self._look_at(place)
                    self._bury()
            finally:
                self._end()

    def _bury(self) -> None:
        """Take note of processes that have ended and that no place has.

        As the first process of a container, this one gets those that a killed worker has left; without it, each would
        stay as a zombie.
        """
        ours = {place.process.pid for place in self._places}
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    # The next look takes note of it.
                    break
                os.waitpid(ended.si_pid, 0)

    def _look_at(self, place: _Place) -> None:
        now = time.monotonic()
        if place.starts_at is None:
            code = place.process.poll()
            if code is None:
                if place.heartbeats.hangs(POLL_SECONDS):
                    about = {"action": "kill", "process_kind": place.kind, "hanging_pid": place.process.pid}
                    log.warning("a process hangs", extra=about)
                    place.process.kill()
                return
            place.heartbeats.close()
            multiprocess.mark_process_dead(place.process.pid)  # type: ignore[no-untyped-call]
            place.crashes = 0 if now - place.begun > SURVIVED else place.crashes + 1
            pause = min(LONGEST_PAUSE, 0.1 * 2 ** (place.crashes - 1)) if place.crashes else 0.0
            place.starts_at = now + pause
            ended = {"action": "replace", "process_kind": place.kind, "ended_pid": place.process.pid, "code": code}
            log.warning("a process has ended", extra=ended)
        if now >= place.starts_at:
            place.process, place.heartbeats = self._start(place.kind)
            place.begun, place.starts_at = now, None

    def _place(self, kind: str) -> _Place:
        process, heartbeats = self._start(kind)
        return _Place(kind=kind, process=process, heartbeats=heartbeats, begun=time.monotonic())

    def _start(self, kind: str) -> "tuple[subprocess.Popen[bytes], Heartbeats]":
        # One that stops does not beat meanwhile.
        heartbeats = Heartbeats(hangs_after=max(HANGS, self.settings.stop_seconds + 5))
        inherited = () if self._listener is None or kind != "api" else (self._listener.fileno(),)
        with heartbeats.theirs as theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "host", f"{kind}-process", *map(str, inherited)],
                pass_fds=inherited,
                stdin=theirs.fileno(),
                cwd=ROOT,
                # The terminal's Ctrl-C is for this process, which tells the others.
                start_new_session=True,
            )
        return process, heartbeats

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        running = [place.process for place in self._places if place.process.poll() is None]
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        ends = time.monotonic() + self.settings.stop_seconds + 3
        for process in running:
            try:
                process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def allow_files(needed: int) -> None:
    """Let this process, and those that it starts, open so many files. Raises SettingsError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if hard not in (unlimited, -1) and hard < needed:
        raise SettingsError(
            f"a process may open {hard} files here (ulimit -n -H); "
            f"the connections that HTTP_CONNECTIONS allows, and what else is open, need {needed}"
        )
    if soft not in (unlimited, -1) and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="task-service-metrics-")
    except OSError as error:
        raise SettingsError(
            "there is no folder for temporary files that can be written: /tmp, or the one that TMPDIR names, has to be"
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """A socket that the api processes share; it stays open when one of them crashes. Raises SettingsError."""
    try:
        # "::" stands for the addresses of IPv4 too.
        family, both = (socket.AF_INET6, host == "::") if ":" in host else (socket.AF_INET, False)
        listener = socket.create_server((host, port), family=family, backlog=2_048, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(
            f"cannot listen on port {port} of {host}: {reason}; HTTP_PORT and HTTP_HOST choose others"
        ) from error
    listener.setblocking(False)
    return listener
