"""The same contract on every implementation of the ports. This is the one place that knows which there are.

    fake        the fakes that are shipped with the ports
    moto        the AWS adapters, on moto's server
    ministack   the AWS adapters, on the local cloud

A test that asks for a port runs once for each kind. moto and MiniStack are two independent ideas of what AWS says;
where they differ, the test cites AWS's documentation and relies on neither.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.adapters.aws.dynamodb.templates import TASK_TEMPLATE, DynamoDbTemplates
from task_service.adapters.aws.s3 import S3Bodies
from task_service.adapters.aws.sqs import SqsTaskQueue
from task_service.adapters.aws.wire import Client, WireClient, connect
from task_service.ports import Bodies, IdempotencyKeys, Search, TaskLists, Tasks, Templates
from task_service.testing import (
    InMemoryBodies,
    InMemoryKeys,
    InMemoryLists,
    InMemorySearch,
    InMemoryTasks,
    InMemoryTemplates,
)
from task_service.wiring.services import utc_now
from tests.contract.moto_server import MotoServer

KINDS = ("fake", "moto", "ministack")

AWS = pytest.mark.parametrize("kind", ["moto", "ministack"])
"""For tests of what only the AWS adapters have."""

ATOMIC = pytest.mark.parametrize("kind", ["fake", "ministack"])
"""For races between writes: moto's conditional writes are not atomic."""


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
    dynamodb, table = on.client("dynamodb"), on.table

    def search(*, before_reading: Callable[[], object] = lambda: None, bounded: bool = False) -> Search:
        client = _ClientWithPause(dynamodb, before_reading)
        return DynamoDbSearch(client=client, table=table, max_rounds=1 if bounded else MAX_ROUNDS)

    return Implementation(
        tasks=DynamoDbTasks(client=dynamodb, table=table),
        lists=DynamoDbTaskLists(client=dynamodb, table=table),
        keys=DynamoDbIdempotencyKeys(client=dynamodb, table=table),
        templates=DynamoDbTemplates(client=dynamodb, table=table, kind=TASK_TEMPLATE),
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
    return fakes() if kind == "fake" else aws_adapters(request.getfixturevalue("on_aws"))


@pytest.fixture
def tasks(implementation: Implementation) -> Tasks:
    return implementation.tasks


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


@pytest.fixture
def queue(on_aws: Aws) -> Iterator[SqsTaskQueue]:
    """A queue that nobody else consumes."""
    queues = on_aws.endpoint.client("sqs")
    url = queues.create_queue(QueueName=f"contract-{uuid4().hex}")["QueueUrl"]
    yield SqsTaskQueue(client=on_aws.client("sqs"), url=url, clock=utc_now)
    queues.delete_queue(QueueUrl=url)
