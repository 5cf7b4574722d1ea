"""Records that were written before there were indexes to search through: they go on, and are not found."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from task_service.adapters.aws.dynamodb.list_items import list_key
from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
from task_service.adapters.aws.dynamodb.search import DynamoDbSearch
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.task_items import task_key
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.domain.messages import message_of
from task_service.domain.retry import Failed
from task_service.domain.search import Filter
from task_service.domain.task import State, Task
from tests.contract.conftest import AWS, Aws
from tests.support import builders
from tests.support.builders import NOW, task

pytestmark = AWS

SOON = NOW + timedelta(seconds=60)


class OldTable:
    """The table, with records as they were."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.tasks = DynamoDbTasks(table=table)
        self.lists = DynamoDbTaskLists(table=table)
        self.search = DynamoDbSearch(table=table)

    def as_it_was(self, record_key: Any, *attributes: str) -> None:
        """Take what is new from a record."""
        self._table.call(
            "UpdateItem",
            Key=record_key,
            UpdateExpression=f"REMOVE {', '.join(f'#{attribute}' for attribute in attributes)}",
            ExpressionAttributeNames={f"#{attribute}": attribute for attribute in attributes},
        )

    def task(self) -> Task:
        """A task under a name of its own."""
        created = task(str(uuid4()), name=uuid4().hex)
        self.tasks.add(created)
        self.as_it_was(task_key(created.id), "recent", "listed")
        return created

    def found(self, name: str) -> list[Task]:
        """The tasks of that name, and those of them that have failed."""
        return [
            found
            for state in (None, State.FAILED)
            for found in self.search.tasks(Filter(name=name, state=state), limit=1, before=None, now=NOW).items
        ]


@pytest.fixture
def table(on_aws: Aws) -> OldTable:
    return OldTable(Table(client=on_aws.client("dynamodb"), name=on_aws.table))


def test_a_task_fails_as_ever(table: OldTable) -> None:
    created = table.task()
    claim = table.tasks.claim(message_of(created), now=NOW, lease_until=SOON, holder="a")
    assert claim.task is not None
    assert table.tasks.finish(claim.task, Failed(error="no"), result=None, now=NOW)
    failed = table.tasks.get(created.id)
    assert failed is not None
    assert failed.state is State.FAILED
    assert table.found(created.name) == []


def test_a_task_is_abandoned_as_ever(table: OldTable) -> None:
    created = table.task()
    table.tasks.claim(message_of(created), now=NOW, lease_until=NOW, holder="a")
    assert table.tasks.abandon(message_of(created), error="crashed", now=SOON).won
    assert table.found(created.name) == []


def test_a_list_without_a_name_ends_as_ever(table: OldTable) -> None:
    created = builders.task_list(str(uuid4()), expires_at=NOW + timedelta(days=30_000))
    table.lists.add(created)
    table.as_it_was(list_key(created.id), "recent", "listed", "name")
    table.lists.end(created, well=False, now=SOON)
    ended = table.lists.get(created.id)
    assert ended is not None
    assert (ended.name, ended.state, ended.finished_at) == ("", State.FAILED, SOON)
