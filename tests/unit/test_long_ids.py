"""Ids that no key of the table can hold: the adapters do not ask DynamoDB, which would refuse the request itself."""

from typing import Any

import pytest

from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.domain.errors import NotFound
from task_service.testing import InMemoryPlatform
from tests.support import builders

LONG = "x" * 3_000


class NoClient:
    """A client that no adapter may use."""

    def call(self, operation: str, /, **_: Any) -> dict[str, Any]:
        raise AssertionError(f"DynamoDB is asked: {operation}")


@pytest.mark.parametrize("what", ["task", "task_list"])
@pytest.mark.parametrize("long_id", [LONG, f"{LONG}.0.0", "é" * 1_200])
def test_they_are_not_found(what: str, long_id: str) -> None:
    table = Table(client=NoClient(), name="t")
    tasks, lists = DynamoDbTasks(table=table), DynamoDbTaskLists(table=table)
    platform: Any = InMemoryPlatform()
    platform.tasks, platform.lists = tasks, lists
    canceller = builders.services(platform).canceller
    with pytest.raises(NotFound):
        getattr(canceller, what)(long_id)
