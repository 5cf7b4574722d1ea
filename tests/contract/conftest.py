"""The same contract on the fakes and on the adapters, which run on the local cloud."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from local.cloud import LocalCloud
from task_service.adapters.aws import client as aws
from task_service.adapters.aws.dynamodb.idempotency_keys import DynamoDbIdempotencyKeys
from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.adapters.aws.dynamodb.templates import TASK_TEMPLATE, DynamoDbTemplates
from task_service.adapters.aws.s3 import S3Bodies
from task_service.adapters.aws.sqs import SqsTaskQueue
from task_service.ports import Bodies, IdempotencyKeys, TaskLists, Tasks, Templates
from task_service.testing import InMemoryBodies, InMemoryKeys, InMemoryLists, InMemoryTasks, InMemoryTemplates
from task_service.wiring.services import utc_now

BOTH = pytest.mark.parametrize("kind", ["fake", "adapter"])


class Clients:
    """Clients of the local cloud, made as the functions make theirs."""

    def __init__(self, endpoint_url: str) -> None:
        self._environment = {
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    @cache  # noqa: B019  one instance a session
    def client(self, service: str) -> Any:
        before = dict(os.environ)
        os.environ.update(self._environment)
        try:
            return aws.client(aws.session(), service)
        finally:
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture(scope="session")
def clients(cloud: LocalCloud) -> Clients:
    return Clients(cloud.endpoint_url)


@pytest.fixture
def tasks(kind: str, request: pytest.FixtureRequest) -> Tasks:
    if kind == "fake":
        return InMemoryTasks()
    cloud, clients = request.getfixturevalue("cloud"), request.getfixturevalue("clients")
    return DynamoDbTasks(client=clients.client("dynamodb"), table=cloud.outputs["TableName"])


@pytest.fixture
def lists(kind: str, tasks: Tasks, request: pytest.FixtureRequest) -> TaskLists:
    if isinstance(tasks, InMemoryTasks):
        return InMemoryLists(tasks)
    cloud, clients = request.getfixturevalue("cloud"), request.getfixturevalue("clients")
    return DynamoDbTaskLists(client=clients.client("dynamodb"), table=cloud.outputs["TableName"])


@pytest.fixture
def keys(kind: str, request: pytest.FixtureRequest) -> IdempotencyKeys:
    if kind == "fake":
        return InMemoryKeys()
    cloud, clients = request.getfixturevalue("cloud"), request.getfixturevalue("clients")
    return DynamoDbIdempotencyKeys(client=clients.client("dynamodb"), table=cloud.outputs["TableName"])


@pytest.fixture
def templates(kind: str, request: pytest.FixtureRequest) -> Templates:
    if kind == "fake":
        return InMemoryTemplates()
    cloud, clients = request.getfixturevalue("cloud"), request.getfixturevalue("clients")
    return DynamoDbTemplates(client=clients.client("dynamodb"), table=cloud.outputs["TableName"], kind=TASK_TEMPLATE)


@pytest.fixture
def bodies(kind: str, request: pytest.FixtureRequest) -> Bodies:
    if kind == "fake":
        return InMemoryBodies(inline_bytes=32_000)
    cloud, clients = request.getfixturevalue("cloud"), request.getfixturevalue("clients")
    return S3Bodies(client=lambda: clients.client("s3"), bucket=cloud.outputs["BucketName"])


@pytest.fixture
def queue(clients: Clients) -> Iterator[SqsTaskQueue]:
    """A queue that nobody else consumes."""
    client = clients.client("sqs")
    url = client.create_queue(QueueName=f"contract-{uuid4().hex}")["QueueUrl"]
    yield SqsTaskQueue(client=client, url=url, clock=utc_now)
    client.delete_queue(QueueUrl=url)
