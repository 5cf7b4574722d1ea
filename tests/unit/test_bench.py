"""What the benches compute of what they have measured: dollars, and simulated batches."""

import json

import pytest

from tests.bench.batching import simulated
from tests.bench.cost import Units
from tests.bench.dollars import PRICES, Memory, gigabyte_seconds, parts
from tests.bench.handlers import BATCH, Handlers, Work

FOUND = Handlers(
    create=Work(milliseconds=1.0, log_bytes=400, log_lines=1),
    read=Work(milliseconds=0.5, log_bytes=200, log_lines=1),
    alone=Work(milliseconds=1.0, log_bytes=600, log_lines=1),
    batched=Work(milliseconds=0.9, log_bytes=300, log_lines=1),
)
UNITS = Units(write=4, read=1, sends=1)


def million(api: str, batch: int, memory: Memory | None = None) -> dict[str, float]:
    prices = json.loads(PRICES.read_text(encoding="utf-8"))["prices"]
    return parts(FOUND, UNITS, memory or Memory.of_template(), prices, api=api, batch=batch)


def test_the_prices_have_a_date_and_name_their_sources() -> None:
    prices = json.loads(PRICES.read_text(encoding="utf-8"))
    assert prices["as_of"] and prices["region"] and prices["sources"]
    assert all(other["source"].startswith("https://") for other in prices["others_million_tasks"])


def test_the_kinds_of_api_differ_by_two_requests() -> None:
    rest, http = million("REST", 1), million("HTTP", 1)
    assert rest.pop("API Gateway") - http.pop("API Gateway") == pytest.approx(5.00)
    assert rest == http


def test_a_batch_saves_invocations_waiting_and_requests_of_the_queue() -> None:
    alone, batched = million("HTTP", 1), million("HTTP", BATCH)
    assert batched["Lambda, executor"] < alone["Lambda, executor"] / 5
    assert alone["SQS"] - batched["SQS"] == pytest.approx(2 * 0.9 * 0.40)
    assert batched["logs"] < alone["logs"]
    assert batched["DynamoDB"] == alone["DynamoDB"] == pytest.approx(4 * 0.625 + 0.125)


def test_a_begun_millisecond_counts_and_less_than_a_processor_takes_longer() -> None:
    assert gigabyte_seconds(memory=1_024, waiting_ms=10, cpu_ms=0) == pytest.approx(0.010)
    assert gigabyte_seconds(memory=1_024, waiting_ms=10, cpu_ms=0.1) == pytest.approx(0.011)
    assert gigabyte_seconds(memory=512, waiting_ms=0, cpu_ms=10) == pytest.approx(0.5 * 0.035)


def test_a_longer_window_fills_batches_and_costs_latency() -> None:
    none, short, long = (simulated(FOUND, rate=20, window_ms=window, memory=1_024) for window in (0, 200, 1_000))
    assert none.batch < short.batch < long.batch
    assert none.dollars > short.dollars > long.dollars
    assert sum(none.latencies) < sum(short.latencies) < sum(long.latencies)
    assert len(none.latencies) == len(short.latencies) == len(long.latencies)
