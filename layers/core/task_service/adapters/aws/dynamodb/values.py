"""The forms that values have in the DynamoDB table."""

from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

from task_service.domain.paging import sort_key
from task_service.domain.task import Body

Item = dict[str, Any]
"""A record, or a value in one, as DynamoDB's API writes them."""

SHARDS: Final = 12
"""The keys over which the indexes of searches spread what they hold; see `dynamodb_search`."""


def body_value(body: Body) -> Item:
    """A text itself, or the key of the object that holds it."""
    return {"S": body.text} if body.text is not None else {"M": {"blob": {"S": body.blob}}}


def read_body(value: Item) -> Body:
    """The body of a value."""
    return Body(text=value["S"]) if "S" in value else Body(blob=value["M"]["blob"]["S"])


def time_value(moment: datetime) -> Item:
    """Milliseconds since 1970."""
    return {"N": str(round(moment.timestamp() * 1000))}


def read_time(value: Item) -> datetime:
    """The time of a value."""
    return datetime.fromtimestamp(int(value["N"]) / 1000, UTC)


def expiry_value(moment: datetime) -> Item:
    """Seconds since 1970, which is what DynamoDB's time to live counts in."""
    return {"N": str(int(moment.timestamp()))}


def read_expiry(value: Item) -> datetime:
    """The time of a value."""
    return datetime.fromtimestamp(int(value["N"]), UTC)


def read_number(item: Item, name: str) -> int:
    """The whole number in an attribute, 0 where there is none."""
    return int(item[name]["N"]) if name in item else 0


def is_of_replay(number: int) -> str:
    """The condition that a record is of that replay; records of none do not say so. Needs `replay_values`."""
    return "replay = :replay" if number else "attribute_not_exists(replay)"


def replay_values(number: int) -> Item:
    """What that condition, and whoever writes the number, refers to."""
    return {":replay": {"N": str(number)}} if number else {}


IS_EARLIER: Final = "(attribute_not_exists(replay) OR replay < :replay)"
"""The condition that a replay has not come to a record yet."""


def numbers_value(numbers: frozenset[int]) -> Item:
    """A set of numbers, which in DynamoDB is never empty."""
    return {"NS": [str(number) for number in sorted(numbers)]}


def read_numbers(item: Item, name: str) -> frozenset[int]:
    """The set of numbers in an attribute, empty where there is none."""
    return frozenset(int(number) for number in item[name]["NS"]) if name in item else frozenset()


def shard_value(kind: str, record_id: str) -> Item:
    """The key under which an index of searches has a record among those of its kind, always the same one."""
    return {"S": f"{kind}#{crc32(record_id.encode()) % SHARDS}"}


def listed_values(kind: str, record_id: str, created_at: datetime) -> Item:
    """The attributes that put a new record into the index `recent`."""
    return {"recent": shard_value(kind, record_id), "listed": {"S": sort_key(created_at, record_id)}}
