"""The built functions, on a table, a queue and a bucket that nothing else uses."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.cloud import LocalCloud
from tests.support.runtime import PROJECT, RUNNING, Build, BuiltFunction

Started = Callable[[str], BuiltFunction]

_init_milliseconds: dict[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the functions work on, besides the stack's own, which executors consume."""

    table: str
    queue_url: str
    unreadable_url: str
    bucket: str

    def by_logical_id(self) -> Mapping[str, str]:
        """As the environment of the functions refers to them."""
        queues = {"TaskQueue": self.queue_url, "UnreadableQueue": self.unreadable_url}
        names = {"Table": self.table, "Bucket": self.bucket, **queues}
        return {**names, "TemplateWrites": "on", "PythonRuntime": f"python{RUNNING}", "EgressAllow": "127.0.0.1"}


def sample(name: str) -> dict[str, Any]:
    """An event of events/."""
    event: dict[str, Any] = json.loads((PROJECT / "events" / f"{name}.json").read_bytes())
    return event


@pytest.fixture(scope="session")
def resources(cloud: LocalCloud) -> Resources:
    name = f"built-{uuid4().hex}"
    stack_table = cloud.client("dynamodb").describe_table(TableName=cloud.outputs["TableName"])["Table"]
    indexes = stack_table["GlobalSecondaryIndexes"]
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=stack_table["AttributeDefinitions"],
        KeySchema=stack_table["KeySchema"],
        GlobalSecondaryIndexes=[
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")} for index in indexes
        ],
    )
    cloud.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.endpoint.region}
    )
    return Resources(
        table=name,
        queue_url=cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"],
        unreadable_url=cloud.client("sqs").create_queue(QueueName=f"{name}-unreadable")["QueueUrl"],
        bucket=name,
    )


@pytest.fixture(scope="session")
def function(
    build: Build, cloud: LocalCloud, resources: Resources, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """Functions by their name in the template, started when first asked for."""
    started: dict[str, BuiltFunction] = {}

    def start(name: str) -> BuiltFunction:
        if name not in started:
            started[name] = BuiltFunction(
                build,
                name,
                endpoint_url=cloud.endpoint_url,
                resources=resources.by_logical_id(),
                log=tmp_path_factory.mktemp("functions") / f"{name}.log",
            ).__enter__()
        return started[name]

    yield start
    for name, built in started.items():
        _init_milliseconds[name] = built.init_milliseconds
        built.__exit__(None, None, None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long the functions took to start."""
    for name, milliseconds in _init_milliseconds.items():
        terminalreporter.write_line(f"init of the built {name}: {milliseconds:.0f} ms")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "function.log"
