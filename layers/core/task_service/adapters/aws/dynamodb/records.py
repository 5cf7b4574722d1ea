"""Reading and writing single records of the DynamoDB table."""

from typing import Any, Final

from botocore.exceptions import ClientError

from task_service.adapters.aws import client as aws
from task_service.adapters.aws.dynamodb.values import Item

MAX_KEY_BYTES: Final = 2_048
"""Of a partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


def is_possible(key: Item) -> bool:
    """Whether a record can have that key at all; clients may ask for any id."""
    return len(key["pk"]["S"].encode()) <= MAX_KEY_BYTES


def read(client: Any, table: str, key: Item) -> Item | None:
    """The record under a key, None where there is none; read consistently. Raises Unavailable."""
    if not is_possible(key):
        return None
    answer: Item = aws.request(client.get_item, TableName=table, Key=key, ConsistentRead=True)
    return answer.get("Item")


def put_new(client: Any, table: str, item: Item) -> Item | None:
    """Write a record whose key is new; returns the record that is there, where there is one. Raises Unavailable.

    The condition is for a write that arrives late, after it has been repeated: what has happened to the record since
    stays as it is.
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
    """The record that made a condition fail. Raises the refusal where it was something else."""
    item: Any = refusal.response.get("Item")
    if not aws.is_condition_failure(refusal) or not item:
        raise refusal
    return dict(item)
