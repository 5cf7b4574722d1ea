"""The process that evaluates policies, one at a time: a program of its own, see `process`.

Policies are not trusted. What they could do is taken from this process before it sees the first one: it can open no
file and no connection, start no program, has no environment, and only so much memory. It ends when the service does.

It is asked, and answers:

    compile, key, package, source, data   ok | fault, reason
    evaluate, key, input                  result, JSON text | unknown | fault, reason
"""

import math
import os
import resource
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from task_service.adapters.policies.engine import Compiled, Engine
from task_service.adapters.policies.faults import Fault
from task_service.adapters.policies.pipe import receive, send

MAX_COMPILED: Final = 200


class Worker:
    """Compiles and evaluates, on request."""

    def __init__(self, *, with_tokens: bool = False) -> None:
        self._engine = Engine(with_tokens=with_tokens)
        self._known: dict[bytes, Compiled] = {}

    def answer(self, request: list[bytes]) -> list[bytes]:
        """The answer to a request."""
        try:
            if request[0] == b"compile":
                _, key, package, source, data = request
                compiled = self._engine.compile(package.decode(), source.decode(), data.decode())
                if len(self._known) >= MAX_COMPILED:
                    self._known.clear()
                self._known[key] = compiled
                return [b"ok"]
            _, key, value = request
            if key not in self._known:
                return [b"unknown"]
            return [b"result", self._engine.evaluate(self._known[key], value.decode()).encode()]
        except Fault as fault:
            return [b"fault", str(fault).encode("utf-8", "replace")]
        except RecursionError:
            return [b"fault", b"its input or its data is nested too deeply"]
        except MemoryError:
            return [b"fault", b"it needs more memory than a policy may have"]
        except BaseException as error:
            # A panic of the engine's is no Exception. What it was working on may be half done.
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                raise
            self._known.clear()
            return [b"fault", f"the engine cannot evaluate it: {error}"[:500].encode("utf-8", "replace")]


# -- the process


def confine(memory_bytes: int) -> None:
    """Take from this process what a policy has no use for; what it has open stays open."""
    os.environ.clear()
    # Where memory is short after all, this process goes first. Not every system has the file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(5)
    # The interpreter's allocator reserves addresses by the hundred gigabytes, so the limit is on what comes on top.
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + memory_bytes,) * 2)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    # Files and connections that are open are numbered 0, 1 and 2.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def main(seconds: float, memory_bytes: int, *, with_tokens: bool) -> None:
    """Answer until the parent process asks no more."""
    worker = Worker(with_tokens=with_tokens)
    connection = socket.socket(fileno=0)
    null = os.open(os.devnull, os.O_WRONLY)
    # No program reads what the interpreter prints, or what policies do.
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    confine(memory_bytes)
    at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    send(connection, [b"ready"], lambda: None)
    while True:
        try:
            request = receive(connection, lambda: None)
        except (EOFError, ConnectionError):
            return
        # The service ends a policy that takes too long. This is for when the service has died meanwhile.
        until = math.ceil(time.process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        send(connection, worker.answer(request), lambda: None)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start
        if grown * 1024 > memory_bytes // 2:
            # The next policy is to have as much memory as this one had. Another process takes over.
            return
