"""The DynamoDB table, and its single records: reading, writing, changing and deleting them."""

from dataclasses import dataclass
from typing import Any, Final

from task_service.adapters.aws.dynamodb.updates import Update
from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client, ConditionFailed

MAX_KEY_BYTES: Final = 2_048
"""The longest partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


def is_possible(key: Item) -> bool:
    """True if a record can have that key. Clients may ask for any id, and DynamoDB refuses longer ones."""
    return len(key["pk"]["S"].encode()) <= MAX_KEY_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table. Every call raises Unavailable if DynamoDB does not do it now."""

    client: Client
    name: str

    def call(self, operation: str, /, **parameters: Any) -> Item:
        """Call an operation of the table; returns its output. Raises ConditionFailed."""
        return self.client.call(operation, TableName=self.name, **parameters)

    def read(self, key: Item) -> Item | None:
        """Read the record under a key, consistently; None: there is none."""
        return self.call("GetItem", Key=key, ConsistentRead=True).get("Item") if is_possible(key) else None

    def put_new(self, item: Item) -> Item | None:
        """Write a record unless there is one under its key; returns that one, None if there was none.

        A write that arrives late, after the AWS client has repeated it, so leaves alone what happened to the record
        since.
        """
        try:
            self.call(
                "PutItem",
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as refusal:
            return present(refusal)
        return None

    def update(self, key: Item, change: Update, *, returning: str = "ALL_NEW") -> Item:
        """Change a record; returns the record as it is afterwards, empty if `returning` is NONE.

        Raises a ConditionFailed that carries the record if the condition does not hold: this saves reading the record.
        """
        answer = self.call(
            "UpdateItem",
            Key=key,
            ReturnValues=returning,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **change.request(),
        )
        item: Item = answer.get("Attributes", {})
        return item

    def delete(self, key: Item) -> None:
        """Delete the record under a key, if there is one."""
        self.call("DeleteItem", Key=key)


def present(refusal: ConditionFailed) -> Item:
    """The record that made a condition fail. Raises the refusal if there is none."""
    if refusal.item is None:
        raise refusal
    return refusal.item
