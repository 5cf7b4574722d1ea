"""What creating tasks in batches takes, beside creating them one by one.

PYTHONPATH=layers/core python -m tests.bench.batches
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from local.cloud import LocalCloud
from task_service.domain.limits import MAX_BATCH
from task_service.usecases.create_batch import Created, Item
from tests.bench import service
from tests.bench.cost import HELLO, metered
from tests.bench.table import Row, render

TASKS: Final = 10_000
SINGLES: Final = 1_000
CLIENTS: Final = 4
LATER: Final = 3_600
"""Seconds after which the tasks are due: the executors are not to take the machine's time meanwhile."""


def main() -> None:
    """Measure, and print the table."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as cloud:
        client = service.Client(cloud)
        service.write_templates(client, cloud.target_url)
        print(render("Batches", rows(cloud)))


def rows(cloud: LocalCloud) -> list[Row]:
    """Creations a second over the API, and requests for each task."""
    clients = [service.Client(cloud) for _ in range(CLIENTS)]
    items = [{"name": "bench", "body": {"n": number}, "delaySeconds": LATER} for number in range(MAX_BATCH)]
    batch = json.dumps(items)

    def create_batch(number: int) -> None:
        assert all("taskID" in item for item in clients[number % CLIENTS].batch(batch))

    def create_single(number: int) -> None:
        clients[number % CLIENTS].create("/v1/task/bench", headers={"x-task-delay": str(LATER)})

    singles = SINGLES / _seconds(create_single, SINGLES)
    batches = TASKS / _seconds(create_batch, TASKS // MAX_BATCH)
    return [
        Row(f"{SINGLES:,} tasks one by one, {CLIENTS} clients", f"{singles:.0f} creations/s"),
        Row(
            f"{TASKS:,} tasks in batches of {MAX_BATCH}, {CLIENTS} clients",
            f"{batches:.0f} creations/s",
            f"{batches / singles:.1f} times as many",
        ),
        *(Row(f"a task {what}", _requests(cloud, keyed=keyed)) for what, keyed in _KINDS.items()),
    ]


_KINDS: Final = {"of a batch of 100": False, "of a batch of 100, each with a key": True}


def _requests(cloud: LocalCloud, *, keyed: bool) -> str:
    """What a task of a batch is charged for."""
    with metered(cloud) as (services, meter, queue):
        services.task_creator.create(HELLO)  # reads the template
        meter.take()
        items = [Item(HELLO, f"{queue} {number}" if keyed else None) for number in range(MAX_BATCH)]
        assert all(isinstance(result, Created) for result in services.batch_creator.create(items))
        counted = meter.take()
    return (
        f"{counted.writes / MAX_BATCH:.2f} table requests, {counted.write_units / MAX_BATCH:.2f} write units, "
        f"{counted.sends / MAX_BATCH:.2f} sends"
    )


def _seconds(create: Callable[[int], None], times: int) -> float:
    """The time in which the clients create so many times."""
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(create, range(times)))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
