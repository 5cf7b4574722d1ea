"""Single records of the DynamoDB table: reading them, and writing new ones."""

from typing import Any, Final

from botocore.exceptions import ClientError

from task_service.adapters.aws import client as aws
from task_service.adapters.aws.dynamodb.values import Item

MAX_KEY_BYTES: Final = 2_048
"""The longest partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


def is_possible(key: Item) -> bool:
    """True if a record can have that key. Clients may ask for any id, and DynamoDB refuses longer ones."""
    return len(key["pk"]["S"].encode()) <= MAX_KEY_BYTES


def read(client: Any, table: str, key: Item) -> Item | None:
    """Read the record under a key, consistently; None: there is none. Raises Unavailable."""
    if not is_possible(key):
        return None
    answer: Item = aws.request(client.get_item, TableName=table, Key=key, ConsistentRead=True)
    return answer.get("Item")


def put_new(client: Any, table: str, item: Item) -> Item | None:
    """Write a record unless there is one under its key; returns that one, None if there was none. Raises Unavailable.

    A write that arrives late, after the AWS client has repeated it, so leaves alone what happened to the record since.
    """
    try:
        aws.request(
            client.put_item,
            TableName=table,
            Item=item,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as refusal:
        return present(refusal)
    return None


def present(refusal: ClientError) -> Item:
    """The record that made a condition fail. Raises the refusal if there is none, or if it is about something else."""
    item: Any = refusal.response.get("Item")
    if not aws.is_condition_failure(refusal) or not item:
        raise refusal
    return dict(item)
