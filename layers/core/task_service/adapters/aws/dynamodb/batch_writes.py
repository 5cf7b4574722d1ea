"""Writing many new records of the DynamoDB table with few requests.

BatchWriteItem has no conditions, so its records have keys that nothing else has, and a request that may have been
executed is not repeated: it could arrive after a record has changed. Its records are given up.
"""

import logging
from collections.abc import Sequence
from typing import Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.ports import Pause

log: Final = logging.getLogger("task")

MAX_RECORDS: Final = 25
"""The most records of one request
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html). They may have 16 MB together,
and a task's record is never larger than 400 KB."""

PAUSES: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds before records are written again that DynamoDB has left out because the table is busy."""


def write_many(client: Client, table: str, items: Sequence[Item], *, pause: Pause) -> Sequence[Item]:
    """Write records; returns those that may not be written."""
    left: list[Item] = []
    for start in range(0, len(items), MAX_RECORDS):
        try:
            left += _write_some(client, table, items[start : start + MAX_RECORDS], pause)
        except Unavailable as reason:
            # The table does not answer. Asking again for each 25 would take longer than a client waits.
            log.warning(str(reason), extra={"action": "write many"})
            return [*left, *items[start:]]
    return left


def _write_some(client: Client, table: str, items: Sequence[Item], pause: Pause) -> Sequence[Item]:
    puts = [{"PutRequest": {"Item": item}} for item in items]
    for seconds in (*PAUSES, None):
        answer = client.call("BatchWriteItem", RequestItems={table: puts})
        if "UnprocessedItems" not in answer:
            raise Unavailable("dynamodb: the writes are not acknowledged")
        puts = answer["UnprocessedItems"].get(table, [])
        if not puts:
            break
        if seconds is not None:
            pause(seconds)
    return [put["PutRequest"]["Item"] for put in puts]
