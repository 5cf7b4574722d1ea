"""What waiting for fuller batches and less memory do to a task's latency and its cost: a simulation.

    python -m tests.bench.batching

Tasks arrive at random (Poisson). Each goes to one of Lambda's pollers, which calls the executor once a batch is full or
its window is over. A batch's tasks run side by side: the function is paid for until the slowest has ended, and the CPU
time of all, as measured on the real handlers, is taken one after the other.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.bench import handlers
from tests.bench.dollars import MILLION, PRICES, PROCESSOR_MB, TABLE_MS
from tests.bench.handlers import BATCH, Handlers
from tests.bench.table import Row, percentile, render

RATES: Final = (1, 20, 200)
"""Tasks a second."""
WINDOWS_MS: Final = (0, 50, 200, 1_000)
"""1 s is the shortest window that Lambda knows; the shorter ones show what it would be good for."""
MEMORIES_MB: Final = (256, 512, 1_024, PROCESSOR_MB)
POLLERS: Final = 5
"""Lambda begins with five."""
RECEIVE_MS: Final = 10.0
"""How long a poller takes to receive messages; what arrives meanwhile comes with them."""
TARGET_MS: Final = 200.0
"""The mean of the targets' times, which are spread exponentially."""
TASKS: Final = 20_000
SEED: Final = 13


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation came to."""

    latencies: list[float]
    """From a message's arrival to its task's end, in seconds."""
    batch: float
    """Tasks of a batch, on average."""
    dollars: float
    """Of a million tasks: the executor's requests and time, and the requests that receive and delete messages."""


def rows(found: Handlers) -> list[Row]:
    """The figures by rate and window, and by memory."""
    made = [
        _row(f"{rate} tasks/s, window {window} ms", simulated(found, rate=rate, window_ms=window, memory=1_024))
        for rate in RATES
        for window in WINDOWS_MS
    ]
    return made + [
        _row(f"20 tasks/s, {memory} MB", simulated(found, rate=20, window_ms=0, memory=memory))
        for memory in MEMORIES_MB
    ]


def simulated(found: Handlers, *, rate: float, window_ms: float, memory: int) -> Simulated:
    """The tasks of a simulation."""
    chance = random.Random(SEED)
    prices = json.loads(PRICES.read_text(encoding="utf-8"))["prices"]
    slowdown = max(1.0, PROCESSOR_MB / memory)
    latencies: list[float] = []
    batches, gigabyte_seconds = 0, 0.0
    for arrivals, called in _batches(chance, rate, window_ms):
        work = found.alone if len(arrivals) == 1 else found.batched
        cpu = work.milliseconds * slowdown
        ended = [
            called + cpu * number + 2 * TABLE_MS + chance.expovariate(1 / TARGET_MS)
            for number, _ in enumerate(arrivals, start=1)
        ]
        latencies += [(end - arrival) / 1000 for end, arrival in zip(ended, arrivals, strict=True)]
        batches += 1
        gigabyte_seconds += memory / 1024 * math.ceil(max(ended) - called) / 1000
    tasks = len(latencies)
    dollars = (
        batches * (prices["lambda_million_requests"] + 2 * prices["sqs_standard_million_requests"])
        + gigabyte_seconds * prices["lambda_arm64_gigabyte_second"] * MILLION
    ) / tasks
    return Simulated(latencies=latencies, batch=tasks / batches, dollars=dollars)


def _batches(chance: random.Random, rate: float, window_ms: float) -> Iterator[tuple[list[float], float]]:
    """The arrivals of each batch, and when the executor is called with it, in milliseconds."""
    open_batches: list[list[float]] = [[] for _ in range(POLLERS)]
    wait, now = max(window_ms, RECEIVE_MS), 0.0
    for _ in range(TASKS):
        now += chance.expovariate(rate / 1000)
        batch = open_batches[chance.randrange(POLLERS)]
        if batch and now > batch[0] + wait:
            yield list(batch), batch[0] + wait
            batch.clear()
        batch.append(now)
        if len(batch) == BATCH:
            yield list(batch), now
            batch.clear()
    for batch in filter(None, open_batches):
        yield batch, batch[0] + wait


def _row(name: str, found: Simulated) -> Row:
    p50, p99 = (percentile(found.latencies, percent) * 1000 for percent in (50, 99))
    return Row(
        name, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {found.batch:.1f} tasks a batch, ${found.dollars:.2f} a million"
    )


if __name__ == "__main__":
    print(render("Batching, simulated", rows(handlers.measured())))
