"""The same contract on every implementation of the ports. This is the one place that knows which there are.

    fake        the fakes that are shipped with the ports
    moto        the AWS adapters, on moto's server
    ministack   the AWS adapters, on the local cloud
    postgres    the PostgreSQL adapters, on a server of the test run

A test that asks for a port runs once for each kind. moto and MiniStack are two independent ideas of what AWS says;
where they differ, the test cites AWS's documentation and relies on neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol
from uuid import uuid4

import pytest

from local.aws import Endpoint
from local.cloud import LocalCloud
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.dynamodb.idempotency_keys import DynamoDbIdempotencyKeys
from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
from task_service.adapters.aws.dynamodb.search import MAX_ROUNDS, DynamoDbSearch
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.adapters.aws.dynamodb.templates import TASK_TEMPLATE, DynamoDbTemplates
from task_service.adapters.aws.s3 import S3Bodies
from task_service.adapters.aws.sqs import SqsTaskQueue
from task_service.adapters.aws.wire import Client, WireClient, connect
from task_service.adapters.postgres.database import Database
from task_service.domain.messages import Received, from_text
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import Task
from task_service.ports import Bodies, IdempotencyKeys, Search, TaskLists, TaskQueue, Tasks, Templates
from task_service.testing import (
    InMemoryBodies,
    InMemoryKeys,
    InMemoryLists,
    InMemorySearch,
    InMemoryTasks,
    InMemoryTemplates,
)
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import utc_now
from tests.contract.moto_server import MotoServer
from tests.support import builders
from tests.support.postgres import Server

KINDS = ("fake", "moto", "ministack", "postgres")

AWS = pytest.mark.parametrize("kind", ["moto", "ministack"])
"""For tests of what only the AWS adapters have."""

QUEUES = pytest.mark.parametrize("kind", ["moto", "ministack", "postgres"])
"""For queues that messages come out of; the fake's only remembers what was sent."""

ATOMIC = pytest.mark.parametrize("kind", ["fake", "ministack", "postgres"])
"""For races between writes: moto's conditional writes are not atomic."""


BOUNDED = pytest.mark.parametrize("kind", ["fake", "moto", "ministack"])
"""For a page that ends because enough was looked at: PostgreSQL's indexes find what is asked for and nothing else."""


class Searching(Protocol):
    """Makes a search."""

    def __call__(self, *, before_reading: Callable[[], object] = lambda: None, bounded: bool = False) -> Search:
        """A search that calls `before_reading` between finding records and reading them.

        A `bounded` search looks at few records for a page.
        """


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """Every port in one kind, on the same records."""

    tasks: Tasks
    lists: TaskLists
    keys: IdempotencyKeys
    templates: Templates
    bodies: Bodies
    search: Searching


def fakes() -> Implementation:
    """The fakes."""
    tasks = InMemoryTasks()
    lists = InMemoryLists(tasks)

    def search(*, before_reading: Callable[[], object] = lambda: None, bounded: bool = False) -> Search:
        return InMemorySearch(lists, looks=3 if bounded else 10_000, before_reading=before_reading)

    return Implementation(
        tasks=tasks,
        lists=lists,
        keys=InMemoryKeys(),
        templates=InMemoryTemplates(),
        bodies=InMemoryBodies(inline_bytes=32_000),
        search=search,
    )


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Something that answers as AWS does, with the resources of the stack."""

    endpoint: Endpoint
    table: str
    bucket: str

    def client(self, service: str) -> WireClient:
        """A client of DynamoDB or SQS, made as the functions make theirs."""
        return _client(self.endpoint, service)


@cache
def _client(endpoint: Endpoint, service: str) -> WireClient:
    environment = {
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_REGION": endpoint.region,
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
    }
    return connect(service, credentials=Credentials(environment=environment), environment=environment)


def aws_adapters(on: Aws) -> Implementation:
    """The adapters, on something that answers as AWS does."""
    dynamodb, name = on.client("dynamodb"), on.table
    table = Table(client=dynamodb, name=name)

    def search(*, before_reading: Callable[[], object] = lambda: None, bounded: bool = False) -> Search:
        paused = Table(client=_ClientWithPause(dynamodb, before_reading), name=name)
        return DynamoDbSearch(table=paused, max_rounds=1 if bounded else MAX_ROUNDS)

    return Implementation(
        tasks=DynamoDbTasks(table=table),
        lists=DynamoDbTaskLists(table=table),
        keys=DynamoDbIdempotencyKeys(table=table),
        templates=DynamoDbTemplates(table=table, kind=TASK_TEMPLATE),
        bodies=S3Bodies(client=lambda: on.endpoint.client("s3"), bucket=on.bucket),
        search=search,
    )


@dataclass
class _ClientWithPause:
    """A DynamoDB client with something that happens between finding records and reading them."""

    client: Client
    before_reading: Callable[[], object]

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation == "BatchGetItem":
            self.before_reading()
        return self.client.call(operation, **parameters)


def postgres_adapters(platform: PostgresPlatform) -> Implementation:
    """The adapters on PostgreSQL."""

    def search(*, before_reading: Callable[[], object] = lambda: None, bounded: bool = False) -> Search:
        return _SearchAfter(platform.search, before_reading)

    return Implementation(
        tasks=platform.tasks,
        lists=platform.lists,
        keys=platform.keys,
        templates=platform.task_templates,
        bodies=platform.bodies,
        search=search,
    )


@dataclass
class _SearchAfter:
    """A search that finds and reads with one query: what happens between the two happens before it."""

    search: Search
    before_reading: Callable[[], object]

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        self.before_reading()
        return self.search.tasks(wanted, limit=limit, before=before, now=now)

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        self.before_reading()
        return self.search.lists(wanted, limit=limit, before=before, now=now)


@pytest.fixture(scope="session")
def postgres(postgres_server: Server) -> Iterator[PostgresPlatform]:
    """A database for the contract's tests."""
    with postgres_server.database() as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        yield platform
        platform.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of implementation."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def moto(moto_server: MotoServer) -> Aws:
    """moto with an empty table: it reads the whole table for every query of an index."""
    return Aws(endpoint=moto_server.endpoint, table=moto_server.create_table(), bucket=moto_server.bucket)


@pytest.fixture(scope="session")
def ministack(cloud: LocalCloud) -> Aws:
    return Aws(endpoint=cloud.endpoint, table=cloud.outputs["TableName"], bucket=cloud.outputs["BucketName"])


@pytest.fixture
def on_aws(kind: str, request: pytest.FixtureRequest) -> Aws:
    """What answers as AWS does; only the one that is asked for is started."""
    answering: Aws = request.getfixturevalue(kind)
    return answering


@pytest.fixture
def implementation(kind: str, request: pytest.FixtureRequest) -> Implementation:
    """The ports, in one kind."""
    match kind:
        case "fake":
            return fakes()
        case "postgres":
            return postgres_adapters(request.getfixturevalue("postgres"))
        case _:
            return aws_adapters(request.getfixturevalue("on_aws"))


@pytest.fixture
def tasks(implementation: Implementation) -> Tasks:
    return implementation.tasks


@pytest.fixture
def created(tasks: Tasks) -> Task:
    """A new task."""
    created = builders.task(str(uuid4()))
    tasks.add(created)
    return created


@pytest.fixture
def lists(implementation: Implementation) -> TaskLists:
    return implementation.lists


@pytest.fixture
def keys(implementation: Implementation) -> IdempotencyKeys:
    return implementation.keys


@pytest.fixture
def templates(implementation: Implementation) -> Templates:
    return implementation.templates


@pytest.fixture
def bodies(implementation: Implementation) -> Bodies:
    return implementation.bodies


@dataclass(frozen=True, kw_only=True)
class QueueInUse:
    """A queue that no other test consumes."""

    queue: TaskQueue
    receive: Callable[[], list[Received]]
    """Receives up to ten messages, which then are hidden from others."""
    delete: Callable[[Received], object]
    depth: Callable[[], int]
    """How many messages there are, hidden or not."""
    gone: TaskQueue
    """The same adapter, on a queue that there is not."""


@pytest.fixture
def in_use(kind: str, request: pytest.FixtureRequest) -> Iterator[QueueInUse]:
    name = f"contract-{uuid4().hex}"
    if kind == "postgres":
        with postgres_queue(request.getfixturevalue("postgres"), name.replace("-", "_")) as queue:
            yield queue
    else:
        sqs = request.getfixturevalue("queue")
        yield sqs_queue(sqs)


def sqs_queue(queue: SqsTaskQueue) -> QueueInUse:
    """A queue of SQS."""
    client, url = queue.client, queue.url

    def receive() -> list[Received]:
        answer = client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
        return [
            Received(
                message=from_text(it["Body"]),
                id=it["MessageId"],
                receipt=it["ReceiptHandle"],
                receives=int(it["Attributes"]["ApproximateReceiveCount"]),
            )
            for it in answer.get("Messages", [])
        ]

    def depth() -> int:
        counts = client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    return QueueInUse(
        queue=queue,
        receive=receive,
        delete=lambda one: client.call("DeleteMessage", QueueUrl=url, ReceiptHandle=one.receipt),
        depth=depth,
        gone=SqsTaskQueue(client=client, url=url + "-gone", clock=utc_now),
    )


@contextmanager
def postgres_queue(platform: PostgresPlatform, name: str) -> Iterator[QueueInUse]:
    """A queue of PGMQ."""
    platform.database.rows("SELECT pgmq.create(%(name)s)", {"name": name})
    reader = replace(platform.task_reader, queue=name, dead_letters=None, in_turn=False)

    def receive() -> list[Received]:
        return [
            Received(message=from_text(it.body), id=it.message_id, receipt=it.receipt, receives=it.receives)
            for it in reader.receive(most=10, visibility=timedelta(seconds=30))
        ]

    def depth() -> int:
        depth = reader.depth()
        return depth.waiting + depth.hidden

    queue = replace(platform.queue, name=name)
    yield QueueInUse(
        queue=queue,
        receive=receive,
        delete=lambda one: reader.delete([one.receipt]),
        depth=depth,
        gone=replace(queue, name=f"{name}_gone"),
    )
    platform.database.rows("SELECT pgmq.drop_queue(%(name)s)", {"name": name})


@pytest.fixture
def queue(on_aws: Aws) -> Iterator[SqsTaskQueue]:
    """A queue of SQS that no other test consumes."""
    queues = on_aws.endpoint.client("sqs")
    url = queues.create_queue(QueueName=f"contract-{uuid4().hex}")["QueueUrl"]
    yield SqsTaskQueue(client=on_aws.client("sqs"), url=url, clock=utc_now)
    queues.delete_queue(QueueUrl=url)
