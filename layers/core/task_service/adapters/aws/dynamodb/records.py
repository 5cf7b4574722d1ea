"""Reading and writing single records of the DynamoDB table."""

from typing import Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client, ConditionFailed

MAX_KEY_BYTES: Final = 2_048
"""Of a partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


def is_possible(key: Item) -> bool:
    """Whether a record can have that key at all; clients may ask for any id."""
    return len(key["pk"]["S"].encode()) <= MAX_KEY_BYTES


def read(client: Client, table: str, key: Item) -> Item | None:
    """The record under a key, None where there is none; read consistently. Raises Unavailable."""
    if not is_possible(key):
        return None
    answer: Item = client.call("GetItem", TableName=table, Key=key, ConsistentRead=True)
    return answer.get("Item")


def put_new(client: Client, table: str, item: Item) -> Item | None:
    """Write a record whose key is new; returns the record that is there, where there is one. Raises Unavailable.

    The condition is for a write that arrives late, after it has been repeated: what has happened to the record since
    stays as it is.
    """
    try:
        client.call(
            "PutItem",
            TableName=table,
            Item=item,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ConditionFailed as refusal:
        return present(refusal)
    return None


def present(refusal: ConditionFailed) -> Item:
    """The record that made a condition fail. Raises the refusal where there is none."""
    if refusal.item is None:
        raise refusal
    return refusal.item
