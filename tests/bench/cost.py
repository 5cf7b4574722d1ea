"""What a task costs in requests: the functions' own code, with every AWS request counted.

The use cases run in this process, against the table of the local cloud and a queue of their own, with clients that
note each request, and what the table says that it charged (write request units, a kilobyte each).
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from local.cloud import LocalCloud
from task_service.adapters.aws.wire import Client
from task_service.domain.messages import from_text
from task_service.domain.order import Order
from task_service.domain.task import State
from task_service.wiring.aws import AwsPlatform
from task_service.wiring.services import Services, utc_now
from task_service.wiring.settings import Settings
from tests.bench.table import Row

HELLO: Final = Order(name="hello", payload="{}")


@dataclass
class Meter:
    """Counts AWS requests and what the table charges."""

    requests: Counter[str] = field(default_factory=Counter)
    write_units: float = 0.0
    index_units: float = 0.0
    """Those of the write units that are for indexes."""
    read_units: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, operation: str, parameters: dict[str, Any], output: dict[str, Any]) -> None:
        """Count a request; a watcher."""
        # For what reads many records, what was charged is a list.
        charged = output.get("ConsumedCapacity", [])
        charges: list[dict[str, Any]] = charged if isinstance(charged, list) else [charged]
        units = sum(charge["CapacityUnits"] for charge in charges)
        with self._lock:
            self.requests[operation] += 1
            if operation in ("GetItem", "BatchGetItem", "Query"):
                self.read_units += units
            else:
                self.write_units += units
                indexes = [charge.get("GlobalSecondaryIndexes", {}) for charge in charges]
                self.index_units += sum(index["CapacityUnits"] for found in indexes for index in found.values())

    def take(self) -> "Meter":
        """What was counted so far; counting starts anew."""
        taken = Meter(
            requests=self.requests,
            write_units=self.write_units,
            index_units=self.index_units,
            read_units=self.read_units,
        )
        self.requests, self.write_units, self.index_units, self.read_units = Counter(), 0.0, 0.0, 0.0
        return taken

    @property
    def writes(self) -> int:
        """Write requests to the table."""
        return sum(self.requests[name] for name in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"))

    @property
    def sends(self) -> int:
        """Send requests to the queue."""
        return self.requests["SendMessage"] + self.requests["SendMessageBatch"]


Watcher = Callable[[str, dict[str, Any], dict[str, Any]], None]
"""Is told of each request: the operation, its parameters and its output, which is empty if a condition failed."""


@dataclass
class WatchedClient:
    """A client that tells watchers of its requests."""

    client: Client
    watchers: list[Watcher]

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation; the table is asked what it charges."""
        asked = parameters | ({"ReturnConsumedCapacity": "INDEXES"} if "QueueUrl" not in parameters else {})
        output: dict[str, Any] = {}
        try:
            output = self.client.call(operation, **asked)
        finally:
            for watch in self.watchers:
                watch(operation, asked, output)
        return output


@dataclass(frozen=True, kw_only=True)
class WatchedPlatform(AwsPlatform):
    """A stack with clients that tell watchers of their requests."""

    watchers: list[Watcher] = field(default_factory=list)

    def client(self, service: str) -> WatchedClient:
        """A client of DynamoDB or SQS."""
        return WatchedClient(super().client(service), self.watchers)


@dataclass(frozen=True, slots=True)
class Units:
    """What the life of a task is charged for: its creation, its run and one read of its result."""

    write: float
    """Write units of the table and its indexes."""
    read: float
    sends: int


def single_task(cloud: LocalCloud) -> Units:
    """What a single task is charged for."""
    with metered(cloud) as (services, meter, queue):
        create, run = _single(cloud, services, meter, queue)
        task_id = services.task_creator.create(HELLO)
        _work(cloud, services, queue)
        meter.take()
        services.task_reader.result_of(services.task_reader.task(task_id))
        read = meter.take()
    moments = (create, run, read)
    return Units(
        write=sum(meter.write_units for meter in moments),
        read=sum(meter.read_units for meter in moments),
        sends=sum(meter.sends for meter in moments),
    )


def rows(cloud: LocalCloud) -> list[Row]:
    """The figures for a single task, and for a task in groups of 10, 100 and 1,000."""
    with metered(cloud) as (services, meter, queue):
        found: list[Row] = []
        create, run = _single(cloud, services, meter, queue)
        found.append(Row("single task, creation", f"{create.writes} table write, {create.sends} send", "aim: 1 and 1"))
        found.append(Row("single task, run", f"{run.writes} table writes, {run.sends} sends", "aim: 2 and 0"))
        found.append(Row("single task, table", f"{create.write_units + run.write_units:.0f} write units"))
        keyed, repeated = _with_key(cloud, services, meter, queue)
        figure = f"{keyed.writes} table writes, {keyed.write_units:.0f} write units, {keyed.sends} send"
        reads = f"{keyed.read_units:.0f} read units"
        found.append(Row("single task, creation with a key", f"{figure}, {reads}", "aim: one write more"))
        # The table charges for these too, but does not say so.
        figure = f"{repeated.writes} table writes, refused, {repeated.sends} sends"
        found.append(Row("single task, the same creation again", figure))
        per_task: dict[int, tuple[float, float]] = {}
        for size in (10, 100, 1_000):
            counted = _list(cloud, services, meter, queue, size)
            requests = sum(counted.requests.values()) / size
            per_task[size] = (requests, counted.write_units / size)
            found.append(
                Row(
                    f"parallel group of {size}, a task",
                    f"{requests:.2f} requests, {counted.write_units / size:.2f} write units, "
                    f"{counted.read_units / size:.2f} read units",
                )
            )
        for what, index in (("requests", 0), ("write units", 1)):
            ratio = per_task[1_000][index] / per_task[10][index]
            found.append(Row(f"a task in 1,000 / in 10, {what}", f"{ratio:.2f}", "aim: at most 1.3"))
        return found


def _single(cloud: LocalCloud, services: Services, meter: Meter, queue: str) -> tuple[Meter, Meter]:
    services.task_creator.create(HELLO)  # reads the template, which is remembered from then on
    _work(cloud, services, queue)
    meter.take()
    task_id = services.task_creator.create(HELLO)
    create = meter.take()
    _work(cloud, services, queue)
    run = meter.take()
    assert services.task_reader.task(task_id).state is State.DONE
    return create, run


def _with_key(cloud: LocalCloud, services: Services, meter: Meter, queue: str) -> tuple[Meter, Meter]:
    key = uuid4().hex

    def create() -> tuple[str, bool]:
        return services.keyed_creator.create(services.task_creator, key, "task", HELLO)

    meter.take()
    task_id, is_new = create()
    first = meter.take()
    _work(cloud, services, queue)
    meter.take()
    assert (is_new, create()) == (True, (task_id, False))
    repeated = meter.take()
    return first, repeated


def _list(cloud: LocalCloud, services: Services, meter: Meter, queue: str, size: int) -> Meter:
    order = Order(name=f"bench-parallel-{size}", payload="{}")
    services.list_creator.create(order)  # reads the templates
    _work(cloud, services, queue)
    meter.take()
    list_id = services.list_creator.create(order)
    _work(cloud, services, queue)
    counted = meter.take()
    assert services.list_reader.overview(list_id).state is State.DONE
    return counted


def _work(cloud: LocalCloud, services: Services, url: str) -> None:
    """Handle the messages of the queue until it is empty, as the executor does."""
    sqs = cloud.client("sqs")
    while True:
        batch = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not batch:
            return
        for message in batch:
            deadline = utc_now() + timedelta(seconds=60)
            services.message_handler.handle(
                from_text(message["Body"]), receipt=message["ReceiptHandle"], deadline=deadline
            )
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def metered(cloud: LocalCloud) -> Iterator[tuple[Services, Meter, str]]:
    """The use cases in this process, what counts their requests, and the URL of their queue."""
    queue = cloud.client("sqs").create_queue(QueueName=f"bench-{uuid4().hex}")["QueueUrl"]
    outputs = cloud.outputs
    meter = Meter()
    before = dict(os.environ)
    os.environ.update(
        AWS_ENDPOINT_URL=cloud.endpoint_url,
        AWS_DEFAULT_REGION=cloud.endpoint.region,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    settings = Settings.from_environment(
        {
            "TABLE_NAME": outputs["TableName"],
            "QUEUE_URL": queue,
            "BUCKET_NAME": outputs["BucketName"],
            "EGRESS_ALLOW": "127.0.0.0/8",
        }
    )
    platform = WatchedPlatform(
        table=settings.table,
        queue_url=settings.queue_url,
        unreadable_queue_url=lambda: settings.unreadable_queue_url,
        bucket=settings.bucket,
        clock=utc_now,
        watchers=[meter.count],
    )
    try:
        yield Services(settings=settings, platform=platform), meter, queue
    finally:
        os.environ.clear()
        os.environ.update(before)
        cloud.client("sqs").delete_queue(QueueUrl=queue)
