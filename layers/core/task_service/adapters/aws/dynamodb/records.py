"""Single records of the DynamoDB table: reading them, and writing new ones."""

from typing import Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client, ConditionFailed

MAX_KEY_BYTES: Final = 2_048
"""The longest partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


def is_possible(key: Item) -> bool:
    """True if a record can have that key. Clients may ask for any id, and DynamoDB refuses longer ones."""
    return len(key["pk"]["S"].encode()) <= MAX_KEY_BYTES


def read(client: Client, table: str, key: Item) -> Item | None:
    """Read the record under a key, consistently; None: there is none. Raises Unavailable."""
    if not is_possible(key):
        return None
    answer: Item = client.call("GetItem", TableName=table, Key=key, ConsistentRead=True)
    return answer.get("Item")


def put_new(client: Client, table: str, item: Item) -> Item | None:
    """Write a record unless there is one under its key; returns that one, None if there was none. Raises Unavailable.

    A write that arrives late, after the AWS client has repeated it, so leaves alone what happened to the record since.
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
    """The record that made a condition fail. Raises the refusal if there is none."""
    if refusal.item is None:
        raise refusal
    return refusal.item
