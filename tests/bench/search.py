"""What a search takes and reads among 10,000 tasks, and what it costs that they can be found.

The local table charges every query half a unit, whatever that looks at, and nothing for reading many records. So read
units are computed as DynamoDB charges them: half a unit for every 4 KB of entries that a query looks at, one unit for
every record of up to 4 KB.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from local.cloud import LocalCloud
from task_service.domain.messages import message_of
from task_service.domain.paging import PageRequest
from task_service.domain.retry import Done, Failed
from task_service.domain.search import Filter
from task_service.domain.task import Body, State, Task
from task_service.domain.template import TaskTemplate
from task_service.entrypoints.api.parameters import search_filter
from task_service.wiring.services import Services, utc_now
from tests.bench.cost import Meter, WatchedPlatform, metered
from tests.bench.service import Client
from tests.bench.table import Row, milliseconds, render

NAMES: Final = tuple(f"search-{number}" for number in range(5))
FAILED_OF: Final = 20
"""One of so many fails."""

QUESTIONS: Final[dict[str, tuple[dict[str, str], int]]] = {
    "failed, of one name": ({"state": "failed", "name": NAMES[0]}, 100),
    "of one name": ({"name": NAMES[0]}, 20),
    "all": ({}, 20),
    "done, one of twenty": ({"state": "done"}, 5),
    "pending, of which there are none": ({"state": "pending"}, 5),
}
"""What is asked for, and how often."""

WRITERS: Final = 8


@dataclass
class Reads:
    """What queries look at, and how many records are read."""

    scanned: list[int] = field(default_factory=list)
    """Entries, of each query."""
    records: list[int] = field(default_factory=list)
    """Of each request for many."""

    def count(self, operation: str, parameters: dict[str, Any], output: dict[str, Any]) -> None:
        """Count a request; a watcher."""
        if operation == "Query":
            self.scanned.append(output["ScannedCount"])
        if operation == "BatchGetItem":
            [asked] = parameters["RequestItems"].values()
            self.records.append(len(asked["Keys"]))

    def units(self, entry_bytes: int) -> float:
        """The read units of all of it."""
        return sum(max(1, -(-scanned * entry_bytes // 4096)) / 2 for scanned in self.scanned) + sum(self.records)

    def clear(self) -> None:
        """Start counting anew."""
        self.scanned.clear()
        self.records.clear()


def rows(cloud: LocalCloud, client: Client, *, count: int = 10_000) -> list[Row]:
    """Write the tasks, then ask for them."""
    with metered(cloud) as (services, meter, _):
        started = time.perf_counter()
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(lambda number: _write(services, number), range(count)))
        took = time.perf_counter() - started
        found = [Row(f"{count} tasks, {count // FAILED_OF} of them failed", f"written in {took:.0f} s")]
        found += _costs(services, meter)
        reads, entry_bytes = Reads(), _entry_bytes(cloud)
        assert isinstance(services.platform, WatchedPlatform)
        services.platform.watchers.append(reads.count)
        for what, (parameters, asked) in QUESTIONS.items():
            aim = "aim: p50 < 100 ms" if parameters.keys() == {"state", "name"} else ""
            found.append(Row(f"{what}: first page", _latency(client, parameters, asked), aim))
            reads.clear()
            page = services.searcher.tasks(_filter(**parameters), PageRequest())
            found.append(
                Row(
                    f"{what}: read for it",
                    f"{len(page.items)} tasks: {len(reads.scanned)} queries, {len(reads.records)} reads of "
                    f"{sum(reads.records)} records, {reads.units(entry_bytes):.0f} read units (computed)",
                )
            )
        return found


def _filter(*, name: str | None = None, state: str | None = None) -> Filter:
    return search_filter(name=name, state=state, since=None, until=None)


def _write(services: Services, number: int) -> None:
    """Write a task, and how it ended."""
    task = _task(number)
    services.platform.tasks.add(task)
    if number % FAILED_OF == 0:
        _end(services, task, Failed(error="the target answered 500", response_code=500))
    elif number % FAILED_OF == 1:
        _end(services, task, Done(result="{}", response_code=200))


def _task(number: int) -> Task:
    now = utc_now()
    template = {"name": NAMES[number // FAILED_OF % len(NAMES)], "url": "http://127.0.0.1:9/", "method": "POST"}
    return Task(
        id=str(uuid4()),
        name=template["name"],
        template=TaskTemplate.from_text(str(template).replace("'", '"')),
        request=Body(text='{"n": 1}'),
        state=State.CREATED,
        attempt=1,
        created_at=now,
        expires_at=now + timedelta(days=30),
    )


def _end(services: Services, task: Task, end: Done | Failed) -> None:
    now = utc_now()
    until = now + timedelta(seconds=60)
    claim = services.platform.tasks.claim(message_of(task), now=now, lease_until=until, holder=task.id)
    assert claim.task is not None
    result = Body(text=end.result) if isinstance(end, Done) else None
    assert services.platform.tasks.finish(claim.task, end, result=result, now=utc_now())


def _costs(services: Services, meter: Meter) -> list[Row]:
    """The write units of a task's life, and those of them that are for the indexes."""
    found: list[Row] = []
    for what, end in (("done", Done(result="{}")), ("failed", Failed(error="no"))):
        task = _task(0)
        meter.take()
        services.platform.tasks.add(task)
        created = meter.take()
        _end(services, task, end)
        ended = meter.take()
        if not found:
            found.append(Row("creating a task", _written(created)))
        found.append(Row(f"running it until it is {what}", _written(ended)))
    return found


def _written(meter: Meter) -> str:
    return f"{meter.write_units:.0f} write units, {meter.index_units:.0f} of them for the indexes"


def _entry_bytes(cloud: LocalCloud) -> int:
    """The size of an entry of the index of recent tasks; those of the other differ by some bytes."""
    answer = cloud.client("dynamodb").query(
        TableName=cloud.outputs["TableName"],
        IndexName="recent",
        KeyConditionExpression="recent = :shard",
        ExpressionAttributeValues={":shard": {"S": "TASK#0"}},
        Limit=1,
    )
    [entry] = answer["Items"]
    return sum(len(name) + len(value["S"]) for name, value in entry.items())


def _latency(client: Client, parameters: dict[str, str], count: int) -> str:
    path = f"/v1/tasks?{urlencode(parameters)}"
    answers: list[float] = []
    for _ in range(count):
        started = time.perf_counter()
        client.get(path).raise_for_status()
        answers.append(time.perf_counter() - started)
    return milliseconds(answers)


def main() -> None:
    """Measure this alone: python -m tests.bench.search."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as cloud:
        print(render("Searching", rows(cloud, Client(cloud))))


if __name__ == "__main__":
    main()
