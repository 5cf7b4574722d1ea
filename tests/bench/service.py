"""How long tasks and lists take on the idle local cloud, how many it carries, and what they cost in CPU time."""

import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from local.cloud import LocalCloud
from tests.bench.table import Row, milliseconds

IDLE_SECONDS = 0.15
"""Between two tasks, so that each meets an idle cloud."""


class Client:
    """A client of the API."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._session = requests.Session()
        self._url = cloud.api_url

    def put(self, path: str, document: dict[str, Any]) -> None:
        """Write a template."""
        self._session.put(f"{self._url}{path}", json=document, timeout=30).raise_for_status()

    def create(self, path: str, body: str = '{"n": 1}', headers: Mapping[str, str] | None = None) -> str:
        """Create a task or a list; returns its id."""
        answer = self._session.post(f"{self._url}{path}", data=body.encode(), headers=headers, timeout=30)
        answer.raise_for_status()
        (created,) = answer.json().values()
        return str(created)

    def batch(self, items: str) -> Any:
        """Create the tasks of a JSON array; returns the answer."""
        answer = self._session.post(f"{self._url}/v1/tasks", data=items.encode(), timeout=30)
        answer.raise_for_status()
        return answer.json()

    def result(self, path: str, body: str = '{"n": 1}') -> Any:
        """Create a task and wait for its result, which has to come with the answer."""
        answer = self._session.post(f"{self._url}{path}", data=body.encode(), headers={"Prefer": "wait=10"}, timeout=30)
        answer.raise_for_status()
        if "Content-Location" not in answer.headers:
            raise TimeoutError(f"no result within 10 s: {answer.text[:300]}")
        return answer.json()

    def get(self, path: str) -> requests.Response:
        """Read."""
        return self._session.get(f"{self._url}{path}", timeout=30)


def write_templates(client: Client, target_url: str) -> None:
    """The templates that the benches use."""
    client.put("/v1/taskTemplates/bench", {"url": f"{target_url}/hello", "method": "POST"})
    client.put("/v1/taskTemplates/bench-200-ms", {"url": f"{target_url}/delay?seconds=0.2", "method": "POST"})
    for execution in ("sequential", "parallel"):
        for size in (10, 100, 1_000):
            groups = [{"execution": execution, "tasks": ["bench"] * size}]
            client.put(f"/v1/taskListTemplates/bench-{execution}-{size}", {"groups": groups})


def single_tasks(cloud: LocalCloud, client: Client, count: int = 200) -> list[Row]:
    """One task after the other on the idle cloud."""
    creations, ended = latencies(cloud, client, "bench", count)
    aim = "aim: p50 < 60 ms, p99 < 250 ms (v1.1.0: 600, 988)"
    return [
        Row("single task, create -> acknowledged", milliseconds(creations)),
        Row("single task, create -> done", milliseconds(ended), aim),
    ]


def waited_for(client: Client, count: int = 100) -> list[Row]:
    """Tasks that take 200 ms, each created and its result read in one request on the idle cloud."""
    client.result("/v1/task/bench-200-ms")  # the first one starts what only waiting needs
    took: list[float] = []
    for _ in range(count):
        time.sleep(IDLE_SECONDS)
        started = time.perf_counter()
        client.result("/v1/task/bench-200-ms")
        took.append(time.perf_counter() - started)
    return [
        Row("task of 200 ms, create with Prefer: wait=10 -> result", milliseconds(took), "aim: p50 < 400 ms"),
    ]


def latencies(
    cloud: LocalCloud, client: Client, template: str, count: int, *, body: str = '{"n": 1}'
) -> tuple[list[float], list[float]]:
    """What creating takes, and from sending the creation to the end of the task, each on the idle cloud."""
    creations: list[float] = []
    ended: list[float] = []
    for _ in range(count):
        time.sleep(IDLE_SECONDS)
        started, clock = time.perf_counter(), time.time()
        task_id = client.create(f"/v1/task/{template}", body)
        creations.append(time.perf_counter() - started)
        ended.append(finished_at(cloud, f"TASK#{task_id}", "TASK") - clock)
    return creations, ended


def lists(cloud: LocalCloud, client: Client, count: int = 30) -> list[Row]:
    """One list after the other on the idle cloud."""
    found: list[Row] = []
    for execution in ("sequential", "parallel"):
        latencies: list[float] = []
        for _ in range(count):
            time.sleep(IDLE_SECONDS)
            clock = time.time()
            list_id = client.create(f"/v1/taskList/bench-{execution}-10")
            latencies.append(finished_at(cloud, f"LIST#{list_id}", "LIST") - clock)
        found.append(Row(f"{execution} list of 10, create -> done", milliseconds(latencies), "aim: p50 < 200 ms"))
    return found


def large_list(cloud: LocalCloud, client: Client) -> list[Row]:
    """A parallel group of 1,000, and what reading its status takes."""
    clock = time.time()
    list_id = client.create("/v1/taskList/bench-parallel-1000")
    took = finished_at(cloud, f"LIST#{list_id}", "LIST") - clock
    answers: list[float] = []
    for _ in range(20):
        started = time.perf_counter()
        answer = client.get(f"/v1/taskListStatus/{list_id}")
        answers.append(time.perf_counter() - started)
    tasks = answer.json()["groups"][0]["tasks"]
    right = answer.status_code == 200 and [task["status"] for task in tasks] == ["done"] * 1_000
    return [
        Row("parallel list of 1,000, create -> done", f"{took:.1f} s, {1_000 / took:.0f} tasks/s"),
        Row("its status, all 1,000 right", str(right).lower(), "aim: true"),
        Row("its status, one answer", milliseconds(answers), "aim: p50 < 100 ms"),
    ]


def throughput(cloud: LocalCloud, client: Client, count: int = 1_000, clients: int = 4) -> list[Row]:
    """Many tasks at once: created by several clients, until the last one is done."""
    before = {name: cpu_seconds(cloud, name) for name in ("ApiFunction", "ExecutorFunction")}
    started = time.time()
    with ThreadPoolExecutor(clients) as threads:
        own = [Client(cloud) for _ in range(clients)]
        ids = list(threads.map(lambda number: own[number % clients].create("/v1/task/bench"), range(count)))
    created = time.time()
    ended = max(finished_at(cloud, f"TASK#{task_id}", "TASK") for task_id in reversed(ids))
    cpu = {name: (cpu_seconds(cloud, name) - seconds) * 1000 / count for name, seconds in before.items()}
    return [
        Row("created, 4 clients", f"{count / (created - started):.0f} tasks/s"),
        Row("created to done, sustained", f"{count / (ended - started):.0f} tasks/s", "aim: at least 50 (v1.1.0: 1.0)"),
        Row("CPU of the api function, a task", f"{cpu['ApiFunction']:.1f} ms"),
        Row("CPU of the executor function, a task", f"{cpu['ExecutorFunction']:.1f} ms"),
        Row("CPU of both, a task", f"{sum(cpu.values()):.1f} ms", "aim: at most 8"),
    ]


def finished_at(cloud: LocalCloud, pk: str, sk: str, within_seconds: float = 120.0) -> float:
    """When a task or list finished, in seconds since 1970; awaits it in the table, past the functions."""
    table, name = cloud.client("dynamodb"), cloud.outputs["TableName"]
    read: Callable[[], dict[str, Any]] = lambda: table.get_item(  # noqa: E731
        TableName=name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
    ).get("Item", {})
    deadline = time.monotonic() + within_seconds
    while "finishedAt" not in (item := read()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{pk} has not ended within {within_seconds:.0f} s: {json.dumps(item)[:300]}")
        time.sleep(0.02)
    return int(item["finishedAt"]["N"]) / 1000


def cpu_seconds(cloud: LocalCloud, function: str) -> float:
    """CPU time that a function's processes have used."""
    total = 0.0
    for pid in cloud.worker_pids(function):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total
