"""Many records of the DynamoDB table, read in batches."""

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.ports import Pause

MAX_KEYS: Final = 100
"""The most keys that one BatchGetItem takes."""

PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""The seconds to wait before asking again for records that DynamoDB left out: the answer grew too large, or the table
is busy."""


def read_many(
    client: Client, table: str, keys: Sequence[Item], attributes: Sequence[str], *, threads: Executor, pause: Pause
) -> list[Item]:
    """Read these attributes of the records under these keys, consistently and in any order.

    Keys without a record are left out. Raises Unavailable.
    """
    batches = [keys[start : start + MAX_KEYS] for start in range(0, len(keys), MAX_KEYS)]
    answers = threads.map(partial(_read_batch, client, table, attributes, pause), batches)
    return [item for items in answers for item in items]


def _read_batch(
    client: Client, table: str, attributes: Sequence[str], pause: Pause, keys: Sequence[Item]
) -> list[Item]:
    names = {f"#{name}": name for name in attributes}
    asked: Item = {
        table: {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
    }
    found: list[Item] = []
    for seconds in (*PAUSES, None):
        answer: Item = client.call("BatchGetItem", RequestItems=asked)
        found += answer["Responses"].get(table, [])
        asked = answer.get("UnprocessedKeys") or {}
        if not asked:
            return found
        if seconds is not None:
            pause(seconds)
    raise Unavailable("dynamodb: records were left out again and again")
