"""How long a task waits while another group has thousands, on own servers.

    PYTHONPATH=layers/core python -m tests.bench.fairness

The local cloud is not measured: its queue takes groups, but its messages do not take turns.
"""

import json
import time
from collections.abc import Iterator
from typing import Final

from local.own_server import OwnServer
from tests.bench.own_servers import Client, Ends, started, summary
from tests.bench.table import Row, percentile, render

FLOOD: Final = 5_000
SECONDS: Final = 0.2
"""That a task of the flood takes."""
BATCH: Final = 100
IDLE: Final = 20
DURING: Final = 25
"""Number of tasks of the other group, one every second."""


def main() -> None:
    """Measure, and print the table."""
    with started() as (server, _):
        print(render("Fairness on own servers", list(rows(server))))


def rows(server: OwnServer) -> Iterator[Row]:
    """The other group's tasks alone, beside the flood, and as a part of it."""
    client, ends = Client(server), Ends(server)
    slow = {"url": f"{server.target_url}/delay?seconds={SECONDS}", "method": "POST"}
    client.call("PUT", "/v1/taskTemplates/a", json.dumps(slow))
    client.call("PUT", "/v1/taskTemplates/b", json.dumps({"url": f"{server.target_url}/hello", "method": "POST"}))
    for _ in range(20):  # so that every process has imported what it needs
        ends.of_task(client.call("POST", "/v1/task/b", "{}")["taskID"])
    idle = one_every_second(client, ends, IDLE)
    yield Row("B, idle: create -> done", summary(idle))
    with ends.counted(FLOOD + DURING + 1) as waited_for:
        begun = time.time()
        for _ in range(FLOOD // BATCH):
            client.call("POST", "/v1/tasks", json.dumps([{"name": "a", "body": 1}] * BATCH))
        [in_flood] = client.call("POST", "/v1/tasks", json.dumps([{"name": "b", "body": 1, "group": "a"}]))
        sent = time.time()
        beside = one_every_second(client, ends, DURING)
        measured = time.time()
        took = waited_for() - begun
    within = percentile(beside, 50) / percentile(idle, 50)
    if measured - begun > took:
        raise RuntimeError(f"the flood was over after {took:.0f} s, before all tasks of B were measured")
    yield Row(f"B, beside {FLOOD:,} tasks of A: create -> done", summary(beside), f"{within:.1f} times idle, aim: 3")
    waited = ends.of_task(in_flood["taskID"]) - sent
    yield Row("B, in A's group: create -> done", f"{waited:.1f} s")
    yield Row(f"A: {FLOOD:,} tasks of {SECONDS:g} s, beside B", f"{took:.0f} s, {FLOOD / took:.0f} tasks/s")


def one_every_second(client: Client, ends: Ends, count: int) -> list[float]:
    """Seconds from the creation to the end of each of so many tasks of B."""
    taken: list[float] = []
    for _ in range(count):
        clock = time.time()
        taken.append(ends.of_task(client.call("POST", "/v1/task/b", "{}")["taskID"]) - clock)
        time.sleep(max(0.0, 1 - (time.time() - clock)))
    return taken


if __name__ == "__main__":
    main()
