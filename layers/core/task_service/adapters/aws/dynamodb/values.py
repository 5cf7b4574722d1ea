"""Values as attributes of the DynamoDB table, and back."""

from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

from task_service.domain.context import Context
from task_service.domain.paging import sort_key
from task_service.domain.task import Body

Item = dict[str, Any]
"""A record, or one value of it, in the notation of DynamoDB's API."""

SHARDS: Final = 12
"""The number of keys over which a search index spreads its entries; see `search`."""


def body_value(body: Body) -> Item:
    """A body: its text, or the key of the object that holds the text."""
    return {"S": body.text} if body.text is not None else {"M": {"blob": {"S": body.blob}}}


def read_body(value: Item) -> Body:
    """The body of a value."""
    return Body(text=value["S"]) if "S" in value else Body(blob=value["M"]["blob"]["S"])


def context_attribute(context: Context) -> Item:
    """The attribute of a context; none if there is nothing in it."""
    text = context.to_text()
    return {"context": {"S": text}} if text is not None else {}


def read_context(item: Item) -> Context:
    """The context of a record."""
    return Context.from_text(item["context"]["S"] if "context" in item else None)


def time_value(moment: datetime) -> Item:
    """A time, in milliseconds since 1970."""
    return {"N": str(round(moment.timestamp() * 1000))}


def read_time(value: Item) -> datetime:
    """The time of a value."""
    return datetime.fromtimestamp(int(value["N"]) / 1000, UTC)


def expiry_value(moment: datetime) -> Item:
    """A time, in seconds since 1970, the unit of DynamoDB's time to live."""
    return {"N": str(int(moment.timestamp()))}


def read_expiry(value: Item) -> datetime:
    """The time of a value."""
    return datetime.fromtimestamp(int(value["N"]), UTC)


def number_value(number: int) -> Item:
    """A whole number."""
    return {"N": str(number)}


def read_number(item: Item, name: str) -> int:
    """The whole number in an attribute; 0 if the record does not have it."""
    return int(item[name]["N"]) if name in item else 0


def read_text(item: Item, name: str) -> str | None:
    """The text in an attribute; None if the record does not have it."""
    return str(item[name]["S"]) if name in item else None


def numbers_value(numbers: frozenset[int]) -> Item:
    """A set of numbers; DynamoDB takes no empty set."""
    return {"NS": [str(number) for number in sorted(numbers)]}


def read_numbers(item: Item, name: str) -> frozenset[int]:
    """The set of numbers in an attribute; empty if the record does not have it."""
    return frozenset(int(number) for number in item[name]["NS"]) if name in item else frozenset()


def shard_value(kind: str, record_id: str) -> Item:
    """The key of a record in a search index, among those of its kind; an id always has the same one."""
    return {"S": f"{kind}#{crc32(record_id.encode()) % SHARDS}"}


def listed_values(kind: str, record_id: str, created_at: datetime) -> Item:
    """The attributes that put a new record into the search index `recent`."""
    return {"recent": shard_value(kind, record_id), "listed": {"S": sort_key(created_at, record_id)}}
