"""What the task queue carries, and the JSON text of each message."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from task_service.domain import strict_json
from task_service.domain.task import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMessage:
    """An attempt of a task is due."""

    task_id: str
    attempt: int
    """Number of the attempt, from 1."""
    not_before: datetime | None = None
    """Earliest start of the attempt; None: at once."""
    replay: int = 0
    """Number of the replay this attempt belongs to; 0 for the original run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupStart:
    """A group of a list is due: the first one, or one that an executor had no time left for."""

    list_id: str
    group: int = 0
    failed_before: bool = False
    """Whether an earlier group has failed."""
    replay: int = 0
    """Number of the list's replay; 0 for the original run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListCancel:
    """A list is being cancelled: completes the cancellation if the api function stopped in the middle of it."""

    list_id: str
    replay: int = 0
    """Number of the list's replay that is cancelled; 0 for the original run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheWrite:
    """Something has ended and is still to be written to the cache service."""

    key: str
    """The id of a task or a list."""
    is_list: bool
    namespace: str
    scope: str
    attempt: int = 1
    not_before: datetime | None = None
    """Earliest time of the write; None: at once."""


QueueMessage = TaskMessage | GroupStart | ListCancel | CacheWrite
"""Any message of the task queue."""


def message_of(task: Task) -> TaskMessage:
    """The message that starts a task's next attempt."""
    return TaskMessage(task_id=task.id, attempt=task.attempt, not_before=task.not_before, replay=task.replay)


def to_text(message: QueueMessage) -> str:
    """A message as JSON text."""
    body: dict[str, Any]
    match message:
        case GroupStart():
            body = {
                "list": message.list_id,
                "group": message.group,
                "failedBefore": message.failed_before,
                "replay": message.replay or None,
            }
        case ListCancel():
            body = {"cancel": message.list_id, "replay": message.replay or None}
        case CacheWrite():
            body = {
                "cache": message.key,
                "isList": message.is_list,
                "namespace": message.namespace,
                "scope": message.scope,
                "attempt": message.attempt,
                "notBefore": _milliseconds(message.not_before),
            }
        case TaskMessage():
            body = {
                "id": message.task_id,
                "attempt": message.attempt,
                "notBefore": _milliseconds(message.not_before),
                "replay": message.replay or None,
            }
    return json.dumps({name: value for name, value in body.items() if value is not None})


def from_text(text: str) -> QueueMessage:
    """The message of a JSON text. Raises ValueError for a text that this service has not written."""
    try:
        body = strict_json.loads(text)
        if "list" in body:
            return GroupStart(
                list_id=str(body["list"]),
                group=int(body["group"]),
                failed_before=bool(body["failedBefore"]),
                replay=int(body.get("replay", 0)),
            )
        if "cancel" in body:
            return ListCancel(list_id=str(body["cancel"]), replay=int(body.get("replay", 0)))
        attempt, not_before = int(body["attempt"]), _time(body.get("notBefore"))
        if "cache" in body:
            return CacheWrite(
                key=str(body["cache"]),
                is_list=bool(body["isList"]),
                namespace=str(body["namespace"]),
                scope=str(body["scope"]),
                attempt=attempt,
                not_before=not_before,
            )
        replay = int(body.get("replay", 0))
        return TaskMessage(task_id=str(body["id"]), attempt=attempt, not_before=not_before, replay=replay)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message of this service: {type(error).__name__}") from error


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
