"""Idempotency keys in the DynamoDB table.

──┬──────────────────────────────┬───────────────────┬──►  time
  │ first use: the key stands    │ expiresAt: the    │ DynamoDB deletes
  │ for one id from now on       │ key is free again │ the record, in hours or days
"""

from dataclasses import dataclass
from datetime import datetime

from task_service.adapters.aws.dynamodb.table import Table, present
from task_service.adapters.aws.dynamodb.values import Item, expiry_value, read_expiry
from task_service.adapters.aws.wire import ConditionFailed
from task_service.domain.idempotency import KeyUse


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbIdempotencyKeys:
    """The idempotency keys of one table."""

    table: Table

    def put(self, use: KeyUse, *, now: datetime) -> KeyUse:
        """Write the use of a key, unless it is in use; returns the use that the key now has."""
        # The key has not been used.
        is_new = "attribute_not_exists(pk)"
        # It has been used, but the use has expired; DynamoDB may take days to delete the record.
        has_expired = "expiresAt <= :now"
        try:
            self.table.call(
                "PutItem",
                Item={
                    **_key(use.key_hash),
                    "id": {"S": use.id},
                    "fingerprint": {"S": use.fingerprint},
                    "expiresAt": expiry_value(use.expires_at),
                },
                ConditionExpression=f"{is_new} OR {has_expired}",
                ExpressionAttributeValues={":now": expiry_value(now)},
                # If the answer to a write gets lost, the AWS client repeats the write, which then finds itself.
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as refusal:
            return _from_item(present(refusal))
        return use

    def get(self, key_hash: str, *, now: datetime) -> KeyUse | None:
        """Read the use that a key has at that time, consistently; None: the key is free."""
        item = self.table.read(_key(key_hash))
        use = _from_item(item) if item else None
        return use if use is not None and use.expires_at > now else None


def _key(key_hash: str) -> Item:
    return {"pk": {"S": f"IDEMPOTENCY#{key_hash}"}, "sk": {"S": "-"}}


def _from_item(item: Item) -> KeyUse:
    return KeyUse(
        key_hash=item["pk"]["S"].partition("#")[2],
        id=item["id"]["S"],
        fingerprint=item["fingerprint"]["S"],
        expires_at=read_expiry(item["expiresAt"]),
    )
