"""Values as attributes of the DynamoDB table, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from task_service.domain.context import Context
from task_service.domain.paging import sort_key
from task_service.domain.task import Body, State, Task

if TYPE_CHECKING:
    # Creating a task needs no lists.
    from task_service.domain.task_list import TaskList

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


def text_value(text: str | None) -> Item | None:
    """A text; None: the record does not have it."""
    return {"S": text} if text is not None else None


def read_text(item: Item, name: str) -> str | None:
    """The text in an attribute; None if the record does not have it."""
    return str(item[name]["S"]) if name in item else None


def numbers_value(numbers: Iterable[int]) -> Item:
    """A set of numbers; DynamoDB takes no empty set."""
    return {"NS": [str(number) for number in sorted(numbers)]}


def read_numbers(item: Item, name: str) -> frozenset[int]:
    """The set of numbers in an attribute; empty if the record does not have it."""
    return frozenset(int(number) for number in item[name]["NS"]) if name in item else frozenset()


def shard_value(kind: str, record_id: str) -> Item:
    """The key of a record in a search index, among those of its kind; an id always has the same one."""
    return {"S": f"{kind}#{crc32(record_id.encode()) % SHARDS}"}


# -- what tasks and lists have in common


def first_attributes(record: Task | TaskList) -> Item:
    """The attributes that the first write of a task or a list sets, whichever it is."""
    attributes: Item = {
        "id": {"S": record.id},
        "name": {"S": record.name},
        "createdAt": time_value(record.created_at),
        "expiresAt": expiry_value(record.expires_at),
    }
    if (context := record.context.to_text()) is not None:
        attributes["context"] = {"S": context}
    if record.queue_group:
        attributes["queueGroup"] = {"S": record.queue_group}
    return attributes


def listed_attributes(kind: str, record: Task | TaskList) -> Item:
    """Those of a list, or of a task that is in no list; with them it is in the search index `recent`."""
    attributes = {
        **first_attributes(record),
        "recent": shard_value(kind, record.id),
        "listed": {"S": sort_key(record.created_at, record.id)},
        "state": {"S": record.state},
        "cacheNamespace": {"S": record.cache_namespace},
        "cacheScope": {"S": record.cache_scope},
    }
    if record.not_before is not None:
        attributes["notBefore"] = time_value(record.not_before)
    return attributes


def read_members(item: Item) -> dict[str, Any]:
    """The members that tasks and lists have in common."""
    return {
        "id": item["id"]["S"],
        # Lists that are older than the search have no name, tasks of a list no place in the cache.
        "name": read_text(item, "name") or "",
        "cache_namespace": read_text(item, "cacheNamespace") or "",
        "cache_scope": read_text(item, "cacheScope") or "",
        "state": State(item["state"]["S"]),
        "created_at": read_time(item["createdAt"]),
        "expires_at": read_expiry(item["expiresAt"]),
        "not_before": read_time(item["notBefore"]) if "notBefore" in item else None,
        "finished_at": read_time(item["finishedAt"]) if "finishedAt" in item else None,
        "replay": read_number(item, "replay"),
        "context": read_context(item),
        "cancelled_by": read_text(item, "cancelledBy"),
        "replayed_by": read_text(item, "replayedBy"),
        "queue_group": read_text(item, "queueGroup") or "",
    }
