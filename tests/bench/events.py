"""How long a cache event takes to become a task and the task to end, and how many come through while things restart."""

import asyncio
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import nats

from local.cloud import LocalCloud
from tests.bench.service import IDLE_SECONDS, cpu_seconds, finished_at
from tests.bench.table import Row, milliseconds, render
from tests.support.event_entry import Entry
from tests.support.nats import Bridge, NatsServer, headed, publish_durably, publish_raw
from tests.support.poison import BLOCKS, always_well
from tests.support.waiting import wait_until

EXAMPLE_POLICY = "examples/demo/cacheEvent/1.0"
RESTARTS = (0.25, 0.5)
"""When, of all events, NATS and the bridge are killed and started again."""


def rows(cloud: LocalCloud, *, single: int = 60, many: int = 10_000) -> list[Row]:
    """One event after the other on the idle cloud, then many at full speed."""
    return [*_latency(cloud, single), *_poisoned(cloud, many), *_restarts(cloud, many)]


def _latency(cloud: LocalCloud, count: int) -> list[Row]:
    entry = Entry(cloud, EXAMPLE_POLICY)
    created: list[float] = []
    ended: list[float] = []

    async def measure() -> None:
        client = await nats.connect(cloud.nats_url)
        for _ in range(count):
            await asyncio.sleep(IDLE_SECONDS)
            event_id = uuid4().hex
            _, payload = entry.event(event_id)
            clock = time.time()
            await client.publish("external", payload)
            await client.flush()
            pk = f"TASK#{entry.task_id(event_id)}"
            ended.append(await asyncio.to_thread(finished_at, cloud, pk, "TASK") - clock)
            created.append(entry.created_at(event_id) - clock)
        await client.close()

    asyncio.run(measure())
    return [
        Row("event published -> task created", milliseconds(created)),
        Row("event published -> task done", milliseconds(ended), "aim: p50 < 200 ms"),
    ]


def _poisoned(cloud: LocalCloud, count: int) -> list[Row]:
    """Malformed messages in the middle of events, by core NATS."""
    entry = Entry(cloud, EXAMPLE_POLICY)
    events = [
        b"PUB external %d\r\n%s\r\n" % (len(payload), payload)
        for _, payload in (entry.event(uuid4().hex) for _ in range(count))
    ]
    poison = [headed(block, b"poison") for block in BLOCKS.values()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = cloud.bridge_environment
        with (
            NatsServer(folder, stores=False) as server,
            Bridge(folder, environment, NATS_ADDR=server.url, NATS_STREAM="") as bridge,
        ):
            wait_until(bridge.is_well)
            started = time.monotonic()
            with always_well(bridge) as statuses:
                publish_raw(server.url, *events[: count // 2], *poison, *events[count // 2 :])
                wait_until(lambda: entry.count() >= count, within=1_200, every=1.0)
                taken = time.monotonic()
                wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)
            dropped = bridge.metric("bridge_events_dropped_total", reason="malformed")
            tasks = entry.count()
    return [
        Row(f"{count} events, {len(poison)} malformed messages in the middle", f"{tasks} tasks", f"aim: {count}"),
        Row("malformed messages counted", f"{dropped:.0f}", f"aim: {len(poison)}"),
        Row("answers of health, all of them 200", f"{len(statuses)}", f"in {taken - started:.0f} s"),
    ]


def _restarts(cloud: LocalCloud, count: int) -> list[Row]:
    entry = Entry(cloud, EXAMPLE_POLICY)
    events = [entry.event(uuid4().hex) for _ in range(count)]
    before = cpu_seconds(cloud, "EventsFunction")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            NatsServer(folder) as server,
            Bridge(
                folder,
                cloud.bridge_environment,
                NATS_ADDR=server.url,
                NATS_ACK_WAIT_SECONDS="5",
            ) as bridge,
        ):
            wait_until(bridge.is_well)
            started = time.monotonic()
            nats_at, bridge_at = (int(count * part) for part in RESTARTS)
            publish_durably(server.url, events, at={nats_at: server.restart, bridge_at: bridge.restart})
            published = time.monotonic()
            wait_until(lambda: entry.count() >= count, within=1_200, every=1.0)
            taken = time.monotonic()
            wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)
            tasks = entry.count()
    cpu = (cpu_seconds(cloud, "EventsFunction") - before) * 1000 / count
    return [
        Row(f"{count} events, NATS and bridge killed and restarted", f"{tasks} tasks", f"aim: {count}"),
        Row("published", f"{count / (published - started):.0f} events/s"),
        Row("published to created, while executors run them", f"{count / (taken - started):.0f} events/s"),
        Row("CPU of the events function, an event", f"{cpu:.1f} ms"),
    ]


def main() -> None:
    """Measure this alone: python -m tests.bench.events."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as cloud:
        print(render("Cache events", rows(cloud)))


if __name__ == "__main__":
    main()
