"""What the host takes on own servers: latency, rate, a large list, and the CPU time of each process.

    PYTHONPATH=layers/core python -m tests.bench.own_servers

Everything runs on this machine, load generator and target too, and every commit waits for the disk.
"""

import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import psycopg

from local.own_server import TARGET, OwnServer
from tests.bench.table import Row, percentile, render
from tests.support.postgres import Server

IDLE_SECONDS: Final = 0.05
"""Between two tasks, so that each meets an idle host."""

CLIENTS: Final = 8
MANY: Final = 3_000
RUNS: Final = 3
WITHIN_SECONDS: Final = 120.0

POSTGRESQL: Final = "PostgreSQL"
HERE: Final = "load generator"


OF_LOCAL_CLOUD: Final = {
    "CPU of the API's process, a task": "CPU of the api function, a task",
    "CPU of the worker, a task": "CPU of the executor function, a task",
}
"""What a row is called among those of the local cloud, where that is something else."""


def main() -> None:
    """Measure, and print the table."""
    print(render("Own servers", measured()))


def measured(local_cloud: Sequence[Row] = ()) -> list[Row]:
    """The figures, beside those of the local cloud."""
    known = {row.name: row.figure for row in local_cloud}
    with started() as (server, database):
        return [_beside(row, known.get(OF_LOCAL_CLOUD.get(row.name, row.name))) for row in rows(server, database)]


def _beside(row: Row, figure: str | None) -> Row:
    return replace(row, aim=", ".join(filter(None, [row.aim, figure and f"local cloud: {figure}"])))


@contextmanager
def started() -> Iterator[tuple[OwnServer, Server]]:
    """The service on a database of its own."""
    database = Server()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with OwnServer(directory=Path(folder), settings={"DATABASE_URL": database.url()}) as server:
                yield server, database
        finally:
            database.stop()


class Client:
    """A client of the API on one connection, as light as Python has it."""

    def __init__(self, server: OwnServer) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.api_url).netloc, timeout=WITHIN_SECONDS)

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """The body of a good answer."""
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} is answered with {answer.status}: {text[:200]!r}")
        return json.loads(text)


def rows(server: OwnServer, database: Server) -> Iterator[Row]:
    """All figures."""
    client, ends = Client(server), Ends(server)
    write_templates(client, server.target_url)
    for _ in range(20):  # so that every process has imported what it needs
        ends.of_task(client.call("POST", "/v1/task/bench", "{}")["taskID"])
    yield from latency(client, ends)
    yield from rate(server, database, ends)
    yield large_list(client, ends)


def write_templates(client: Client, target_url: str) -> None:
    """The templates that these benches use."""
    template = {"url": f"{target_url}/hello", "method": "POST"}
    client.call("PUT", "/v1/taskTemplates/bench", json.dumps(template))
    groups = [{"execution": "parallel", "tasks": ["bench"] * 1_000}]
    client.call("PUT", "/v1/taskListTemplates/bench-1000", json.dumps({"groups": groups}))


def latency(client: Client, ends: "Ends", count: int = 200) -> Iterator[Row]:
    """One task after the other on the idle host."""
    created: list[float] = []
    ended: list[float] = []
    for _ in range(count):
        time.sleep(IDLE_SECONDS)
        started, clock = time.perf_counter(), time.time()
        task_id = client.call("POST", "/v1/task/bench", '{"n": 1}')["taskID"]
        created.append(time.perf_counter() - started)
        ended.append(ends.of_task(task_id) - clock)
    yield Row("single task, create -> acknowledged", summary(created))
    yield Row("single task, create -> done", summary(ended), "aim: p50 <= 8 ms, p99 <= 30 ms")


def rate(server: OwnServer, database: Server, ends: "Ends", count: int = MANY) -> Iterator[Row]:
    """Many tasks at once: created by several clients, until the last one is done. The machine's speed varies."""
    before = cpu(server, database)
    runs = [_run(server, ends, count) for _ in range(RUNS)]
    used = {name: seconds - before[name] for name, seconds in cpu(server, database).items()}
    created, done = zip(*runs, strict=True)
    yield Row(f"created, {CLIENTS} clients, median of {RUNS}", _rates(created))
    yield Row("created to done, sustained", _rates(done), "aim: at least 450, and more than the peer")
    for name, seconds in used.items():
        yield Row(f"CPU of {name}, a task", f"{seconds * 1000 / count / RUNS:.2f} ms")
    of_all = f"{sum(used.values()) * 1000 / count / RUNS:.2f} ms"
    yield Row("CPU of all, a task", of_all, "two cores have 4.44 at 450 tasks/s")


def _run(server: OwnServer, ends: "Ends", count: int) -> tuple[float, float]:
    """How many tasks a second were created, and how many were done."""
    with ends.counted(count) as waited_for:
        started = time.time()
        load(server, count)
        created = time.time()
        ended = waited_for()
    return count / (created - started), count / (ended - started)


def _rates(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):.0f} tasks/s ({min(rates):.0f} to {max(rates):.0f})"


def large_list(client: Client, ends: "Ends") -> Row:
    """A parallel group of 1,000."""
    clock = time.time()
    list_id = client.call("POST", "/v1/taskList/bench-1000", '{"n": 1}')["taskListID"]
    return Row("parallel list of 1,000, create -> done", f"{ends.of_list(list_id) - clock:.2f} s", "aim: <= 3 s")


def load(server: OwnServer, count: int) -> None:
    """Create so many tasks with several clients."""

    def create(number: int) -> None:
        client = Client(server)
        for of_client in range(number, count, CLIENTS):
            client.call("POST", "/v1/task/bench", f'{{"n": {of_client}}}')

    threads = [threading.Thread(target=create, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Ends:
    """Tells when tasks and lists have ended, past the host."""

    def __init__(self, server: OwnServer) -> None:
        self._connection = psycopg.connect(server.database_url, autocommit=True)

    def of_task(self, task_id: str) -> float:
        """When a task has ended, in seconds since 1970."""
        return self._awaited("SELECT extract(epoch FROM finished_at) FROM task_service.tasks WHERE id = %s", task_id)

    def of_list(self, list_id: str) -> float:
        """The same of a list."""
        return self._awaited("SELECT extract(epoch FROM finished_at) FROM task_service.lists WHERE id = %s", list_id)

    @contextmanager
    def counted(self, count: int) -> Iterator[Callable[[], float]]:
        """Awaits the end of so many more tasks than there are; tells when the last one was."""
        [(known,)] = self._connection.execute("SELECT count(*) FROM task_service.tasks").fetchall()

        def ended() -> float:
            deadline = time.monotonic() + WITHIN_SECONDS
            while True:
                [(number, last)] = self._connection.execute(
                    "SELECT count(*) FILTER (WHERE finished_at IS NOT NULL), extract(epoch FROM max(finished_at)) "
                    "FROM task_service.tasks"
                ).fetchall()
                if number >= known + count:
                    return float(last)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{number - known} of {count} tasks have ended")
                time.sleep(0.1)

        yield ended

    def _awaited(self, statement: str, record_id: str) -> float:
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            [(ended,)] = self._connection.execute(statement.encode(), [record_id]).fetchall()
            if ended is not None:
                return float(ended)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{record_id} has not ended")
            time.sleep(0.001)


def cpu(server: OwnServer, database: Server) -> dict[str, float]:
    """The CPU seconds that each kind of process has used so far."""
    used = {"the API's process": 0.0, "the worker": 0.0, "the rest of the host": 0.0}
    host = psutil.Process(server.host_pid)
    for process in [host, *host.children(recursive=True)]:
        command = process.cmdline()
        name = "the API's process" if "api-process" in command else "the worker"
        used[name if "api-process" in command or "worker-process" in command else "the rest of the host"] += own(
            process
        )
    postmaster = psutil.Process(database.pid)
    used[POSTGRESQL] = sum(map(own, [postmaster, *postmaster.children()])) + postmaster.cpu_times().children_user
    used["the target"] = own(psutil.Process(server.pids[TARGET]))
    used[HERE] = own(psutil.Process())
    return used


def own(process: psutil.Process) -> float:
    """The CPU seconds of a process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def summary(taken: list[float]) -> str:
    """Median and 99th percentile, in milliseconds with one decimal."""
    return f"p50 {percentile(taken, 50) * 1000:.1f} ms, p99 {percentile(taken, 99) * 1000:.1f} ms, n {len(taken)}"


if __name__ == "__main__":
    main()
