"""Event tasks: the task that a change in the cache makes."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from task_service.domain.cloud_event import CloudEvent, MalformedEvent, kind_of, text_of

CACHE_SET: Final = "cache_set_event"
"""The type of the events that make tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheEntry:
    """An entry that was set in the cache; an empty namespace or scope is one that is not set."""

    key: str
    namespace: str = ""
    scope: str = ""

    @classmethod
    def of(cls, event: CloudEvent) -> "CacheEntry":
        """The entry that an event is about. Raises MalformedEvent."""
        if event.data is None:
            raise MalformedEvent("data.key is missing: the event has no data")
        if not isinstance(event.data, dict):
            raise MalformedEvent(f"the data are {kind_of(event.data)}, an object with the member key is expected")
        parts = text_of("data.key", event.data.get("key")).split(",")
        if not parts[0] or len(parts) > 3:
            fault = f"it has {len(parts)} parts" if parts[0] else "the key is empty"
            raise MalformedEvent(f"data.key is not key[,namespace[,scope]]: {fault}")
        return cls(**dict(zip(("key", "namespace", "scope"), parts, strict=False)))

    @property
    def name(self) -> str:
        """The name under which its event task is stored."""
        return json.dumps([self.key, self.namespace, self.scope], ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True, slots=True)
class EventTask:
    """The task that is created when an entry is set."""

    entry: CacheEntry
    task_name: str

    @classmethod
    @lru_cache(maxsize=256)
    def from_text(cls, text: str) -> "EventTask":
        """The event task of a stored JSON document."""
        document: dict[str, Any] = json.loads(text)
        entry = CacheEntry(key=document["key"], namespace=document["namespace"], scope=document["scope"])
        return cls(entry=entry, task_name=document["taskName"])

    def request(self) -> str:
        """The request of the task, with the capital T that policies know."""
        members = {"key": self.entry.key, "namespace": self.entry.namespace, "scope": self.entry.scope}
        return json.dumps({**members, "TaskName": self.task_name}, ensure_ascii=False)

    def task_id(self, event: CloudEvent) -> str:
        """The id of the task that this event makes: the same for each of its deliveries, different from all others."""
        identity = json.dumps([event.source, event.id, self.entry.name])
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
        # Version 5 is that of UUIDs made of a name; the hash is a better one than its own.
        return str(UUID(bytes=digest[:16], version=5))
