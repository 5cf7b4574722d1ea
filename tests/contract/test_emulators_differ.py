"""Where moto and MiniStack differ, AWS's documentation says who is right, and the adapters rely on neither.

    request                                            moto           MiniStack   AWS
    Query whose last record reaches Limit          [1] ends           goes on     may go on: API_Query, LastEvaluatedKey
    GetItem of a key of more than 2,048 bytes      [2] finds nothing  refuses     refuses: developer guide, Constraints
    Query BETWEEN a greater and a smaller text     [3] finds nothing  refuses     refuses, with MiniStack's message
    BatchGetItem of more than 16 MB                [4] a part         everything  a part: API_BatchGetItem
    UpdateItem that deletes and adds at one attribute  refuses        does both   refuses: "paths overlap"
    BatchGetItem with a name that it does not use      refuses        ignores it  refuses: "unused in expressions"
    a comparison of a number with a text               crashes        is false    is false
    a set with a number twice                          takes it       refuses     refuses: "contains duplicates"
    SendMessage delayed by more than 900 seconds       refuses        takes it    refuses: API_SendMessage
    a visibility timeout of more than 43,200 seconds   refuses        takes it    refuses: API_ChangeMessageVisibility
    SendMessage without text                           takes it       refuses     refuses: API_SendMessage

The numbers are the tests below. Of the rest, the adapters send none; where one did, the whole suite would fail on the
stricter of the two.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from task_service.adapters.aws.dynamodb.batches import read_many
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.templates import DynamoDbTemplates
from task_service.domain.search import Filter, Found
from tests.contract.conftest import AWS, Aws, Implementation
from tests.support.builders import NOW, stored_template

LARGEST_ITEM = 390_000
"""Nearly the 400 KB of an item."""


@pytest.fixture
def alone(on_aws: Aws) -> DynamoDbTemplates:
    """Templates of a kind that no other test has."""
    return DynamoDbTemplates(table=Table(client=on_aws.client("dynamodb"), name=on_aws.table), kind=uuid4().hex)


@AWS
def test_after_a_page_that_is_just_full_there_is_nothing_or_an_empty_page(alone: DynamoDbTemplates) -> None:
    for name in ("a", "b"):
        alone.put(stored_template(name), if_match=None, if_new=True)

    page = alone.page(limit=2, after=None)

    assert [template.name for template in page.items] == ["a", "b"]
    if page.next is not None:
        rest = alone.page(limit=2, after=page.next)
        assert (rest.items, rest.next) == ([], None)


@pytest.mark.parametrize("long", ["x" * 3_000, "é" * 1_200], ids=["ASCII", "two bytes a letter"])
def test_a_name_that_no_key_can_hold_is_unknown(implementation: Implementation, long: str) -> None:
    tasks, lists, templates = implementation.tasks, implementation.lists, implementation.templates

    assert (tasks.get(long), tasks.get(f"{long}.0.0"), lists.get(long), templates.get(long)) == (None,) * 4
    assert lists.records(long) is None
    assert tasks.cancel(long, reason="why", now=NOW).task is None
    assert templates.delete(long, if_match=None) is False


def test_a_time_that_ends_before_it_begins_has_no_tasks(implementation: Implementation) -> None:
    nothing = Filter(since=NOW, until=NOW - timedelta(seconds=1))

    assert implementation.search().tasks(nothing, limit=1, before=None, now=NOW) == Found(items=[], next=None)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@AWS
def test_records_of_more_than_one_answer_are_all_read(kind: str, on_aws: Aws, threads: ThreadPoolExecutor) -> None:
    table, run = Table(client=on_aws.client("dynamodb"), name=on_aws.table), uuid4().hex
    keys = [{"pk": {"S": f"{run}#{number}"}, "sk": {"S": "-"}} for number in range(45)]
    for key in keys:
        table.call("PutItem", Item={**key, "text": {"S": "x" * LARGEST_ITEM}})
    pauses: list[float] = []

    found = read_many(table, keys, ("pk", "text"), threads=threads, pause=pauses.append)

    # MiniStack has everything in its first answer.
    assert bool(pauses) is (kind == "moto")
    assert sorted(item["pk"]["S"] for item in found) == sorted(key["pk"]["S"] for key in keys)
    for key in keys:
        table.delete(key)
