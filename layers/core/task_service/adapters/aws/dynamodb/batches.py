"""Many records of the DynamoDB table, read or written with few requests.

BatchWriteItem has no conditions, so the records that it writes have keys that nothing else has, and a request that may
have been executed is not repeated: it could arrive after a record has changed. Its records are given up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.values import Item
from task_service.domain.errors import Unavailable
from task_service.ports import Pause

if TYPE_CHECKING:
    # The search has threads; creating tasks needs none.
    from concurrent.futures import Executor

log: Final = logging.getLogger("task")

MAX_KEYS: Final = 100
"""The most keys that one BatchGetItem takes."""

MAX_RECORDS: Final = 25
"""The most records of one request
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html). They may have 16 MB together,
and a task's record is never larger than 400 KB."""

WRITE_PAUSES: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds before records are written again that DynamoDB has left out because the table is busy."""

READ_PAUSES: Final = (*WRITE_PAUSES, 0.8)
"""The same for reading; DynamoDB also leaves out what would make an answer too large."""


def read_many(
    table: Table, keys: Sequence[Item], attributes: Sequence[str], *, threads: Executor, pause: Pause
) -> list[Item]:
    """Read these attributes of the records under these keys, consistently and in any order.

    Keys without a record are left out. Raises Unavailable.
    """
    batches = [keys[start : start + MAX_KEYS] for start in range(0, len(keys), MAX_KEYS)]
    answers = threads.map(partial(_read_batch, table, attributes, pause), batches)
    return [item for items in answers for item in items]


def _read_batch(table: Table, attributes: Sequence[str], pause: Pause, keys: Sequence[Item]) -> list[Item]:
    names = {f"#{name}": name for name in attributes}
    asked: Item = {
        table.name: {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
    }
    found: list[Item] = []
    for seconds in (*READ_PAUSES, None):
        answer: Item = table.client.call("BatchGetItem", RequestItems=asked)
        found += answer["Responses"].get(table.name, [])
        asked = answer.get("UnprocessedKeys") or {}
        if not asked:
            return found
        if seconds is not None:
            pause(seconds)
    raise Unavailable("dynamodb: records were left out again and again")


def write_many(table: Table, items: Sequence[Item], *, pause: Pause) -> Sequence[Item]:
    """Write records; returns those that may not be written."""
    left: list[Item] = []
    for start in range(0, len(items), MAX_RECORDS):
        try:
            left += _write_some(table, items[start : start + MAX_RECORDS], pause)
        except Unavailable as reason:
            # The table does not answer. Asking again for each 25 would take longer than a client waits.
            log.warning(str(reason), extra={"action": "write many"})
            return [*left, *items[start:]]
    return left


def _write_some(table: Table, items: Sequence[Item], pause: Pause) -> Sequence[Item]:
    puts = [{"PutRequest": {"Item": item}} for item in items]
    for seconds in (*WRITE_PAUSES, None):
        answer = table.client.call("BatchWriteItem", RequestItems={table.name: puts})
        if "UnprocessedItems" not in answer:
            raise Unavailable("dynamodb: the writes are not acknowledged")
        puts = answer["UnprocessedItems"].get(table.name, [])
        if not puts:
            break
        if seconds is not None:
            pause(seconds)
    return [put["PutRequest"]["Item"] for put in puts]
