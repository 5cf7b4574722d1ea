"""What a million tasks cost on AWS: counted requests, units and bytes, times the prices in prices.json.

Each task is created over the API, calls a target that answers in 200 ms, and is read once. Computed, not billed.

    python -m tests.bench.dollars
"""

import json
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from local.cloud import LocalCloud
from local.template import Template
from tests.bench import cost, handlers
from tests.bench.cost import Units
from tests.bench.handlers import PROJECT, Handlers
from tests.bench.table import Row, render

PRICES: Final = Path(__file__).with_name("prices.json")
MILLION: Final = 1_000_000
GIGABYTE: Final = 1e9

TARGET_MS: Final = 200.0
TABLE_MS: Final = 5.0
"""How long a function waits for the table; assumed."""
QUEUE_MS: Final = 8.0
"""How long a function waits for the queue; assumed."""
PROCESSOR_MB: Final = 1769
"""With this memory a function has one processor."""

ACCESS_LINE: Final = (
    '{"requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","time":"26/Nov/2026:10:00:00 +0000","method":"POST",'
    '"route":"/v1/task/{taskName}","status":"200","latencyMs":"17","functionMs":"15","bytes":"50","ip":"192.0.2.100","error":"-"}\n'
)
"""What API Gateway logs of a request."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the functions, in MB."""

    api: int
    executor: int

    @classmethod
    def of_template(cls) -> "Memory":
        """The functions' memory in template.yaml, with its defaults."""
        template = Template.read(PROJECT / "template.yaml")
        sizes = {name: it.get("MemorySize") for name, it in template.resources("AWS::Serverless::Function")}
        defaults = {name: str(declared.get("Default", "")) for name, declared in template.parameters.items()}
        return cls(*(int(template.value(sizes[name], defaults)) for name in ("ApiFunction", "ExecutorFunction")))


def gigabyte_seconds(*, memory: int, waiting_ms: float, cpu_ms: float) -> float:
    """What Lambda charges for an invocation; its CPU time is longer with less than a processor."""
    billed = math.ceil(waiting_ms + cpu_ms * max(1.0, PROCESSOR_MB / memory))
    return memory / 1024 * billed / 1000


def parts(
    found: Handlers, units: Units, memory: Memory, prices: dict[str, float], *, api: str, batch: int
) -> dict[str, float]:
    """The dollars of a million tasks, by what they are for."""
    run = found.alone if batch == 1 else found.batched
    create, read, second = found.create, found.read, prices["lambda_arm64_gigabyte_second"]
    creating = gigabyte_seconds(memory=memory.api, waiting_ms=TABLE_MS + QUEUE_MS, cpu_ms=create.milliseconds)
    reading = gigabyte_seconds(memory=memory.api, waiting_ms=TABLE_MS, cpu_ms=read.milliseconds)
    waiting = TARGET_MS + 2 * TABLE_MS
    running = gigabyte_seconds(memory=memory.executor, waiting_ms=waiting, cpu_ms=run.milliseconds * batch) / batch
    # Lambda's own lines about an invocation that went well are not written: LoggingConfig in template.yaml.
    logged = create.log_bytes + read.log_bytes + run.log_bytes + 2 * len(ACCESS_LINE)
    return {
        "API Gateway": 2 * prices[f"{api.lower()}_api_million_requests"],
        "Lambda, api function": 2 * prices["lambda_million_requests"] + (creating + reading) * second * MILLION,
        "Lambda, executor": prices["lambda_million_requests"] / batch + running * second * MILLION,
        "DynamoDB": units.write * prices["dynamodb_million_write_units"]
        + units.read * prices["dynamodb_million_read_units"],
        "SQS": (units.sends + 2 / batch) * prices["sqs_standard_million_requests"],
        "logs": logged * MILLION / GIGABYTE * prices["cloudwatch_logs_gigabyte"],
    }


def rows(units: Units, found: Handlers, quiet: Handlers) -> list[Row]:
    """The figures for both kinds of API, alone and in batches of ten, beside other services."""
    table: dict[str, Any] = json.loads(PRICES.read_text(encoding="utf-8"))
    memory = Memory.of_template()

    def million(logs: Handlers, api: str, batch: int, memory: Memory = memory) -> dict[str, float]:
        return parts(logs, units, memory, table["prices"], api=api, batch=batch)

    made: list[Row] = []
    for api in ("REST", "HTTP"):
        for batch, name in ((1, "alone"), (handlers.BATCH, f"batches of {handlers.BATCH}")):
            split, aim = million(found, api, batch), ""
            if (api, batch) == ("HTTP", handlers.BATCH):
                small = sum(million(found, api, batch, replace(memory, executor=512)).values())
                silent = sum(million(quiet, api, batch).values())
                aim = f"aim: at most $7; ExecutorMemory=512: ${small:.2f}, LogLevel=WARNING: ${silent:.2f}"
            made.append(Row(f"a million tasks, {api} API, {name}", f"${sum(split.values()):.2f}", aim))
            made += [Row(f"  {part}", f"${dollars:.2f}") for part, dollars in split.items()]
            made.append(Row("  the largest part", max(split, key=lambda part: split[part])))
    made += [Row(it["name"], f"${it['dollars']:.2f}", it["what"]) for it in table["others_million_tasks"]]
    return [*made, Row("prices", f"{table['region']}, {table['as_of']}", "tests/bench/prices.json")]


def main() -> None:
    """Count, and print."""
    found, quiet = handlers.measured(), handlers.measured("WARNING")
    with tempfile.TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as cloud:
        units = cost.single_task(cloud)
    print(render("A million tasks", rows(units, found, quiet)))


if __name__ == "__main__":
    main()
