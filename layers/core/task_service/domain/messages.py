"""What the task queue carries, and the JSON text of each message.

A text is read strictly: what this service cannot have written is refused with ValueError, so that no name or number
reaches the table that the table refuses.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from task_service.domain import json_text, strict_json
from task_service.domain.identity import MAX_NAME, printable
from task_service.domain.start import is_group
from task_service.domain.task import Task

MAX_ID_BYTES: Final = 200
"""The longest id in a message; those of this service are shorter."""

MAX_NUMBER: Final = 1_000_000
"""The largest number of an attempt, a replay, a group or of crashes in a message."""

MAX_MILLISECONDS: Final = 253_402_300_799_999
"""The last time in a message: the end of the year 9999."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The members of every message."""

    crashes: int = 0
    """How often an executor had this message and did not report how it ended. It has crashed, as a rule."""
    queue_group: str = field(default="", compare=False)
    """The group in whose turn it is delivered, which is no part of what it says; empty: it is in none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMessage(Message):
    """An attempt of a task is due."""

    task_id: str
    attempt: int
    """Number of the attempt, from 1."""
    not_before: datetime | None = None
    """Earliest start of the attempt; None: at once."""
    replay: int = 0
    """Number of the replay this attempt belongs to; 0 for the original run."""
    by: str | None = None
    """Name of the caller who asked for that replay, in its first message; None: it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupStart(Message):
    """A group of a list is due: the first one, or one that an executor had no time left for."""

    list_id: str
    group: int = 0
    failed_before: bool = False
    """Whether an earlier group has failed."""
    not_before: datetime | None = None
    """Earliest start of the list; None: at once."""
    replay: int = 0
    """Number of the list's replay; 0 for the original run."""
    by: str | None = None
    """Name of the caller who asked for that replay, in its first message; None: it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListCancel(Message):
    """A list is being cancelled: completes the cancellation if the api function stopped in the middle of it."""

    list_id: str
    replay: int = 0
    """Number of the list's replay that is cancelled; 0 for the original run."""
    by: str | None = None
    """Name of the caller who asked for it; None: it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheWrite(Message):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A message as the queue has delivered it."""

    message: QueueMessage
    """The message; its crashes include those that the queue has counted."""
    id: str
    """The queue's id of the message."""
    receipt: str
    """The queue's name of this delivery."""
    receives: int = 1
    """How often the queue has delivered it."""


def message_of(task: Task) -> TaskMessage:
    """The message that starts a task's next attempt."""
    return TaskMessage(
        task_id=task.id, attempt=task.attempt, not_before=task.not_before, replay=task.replay, queue_group=task.turn
    )


def _fault(name: str, expected: str) -> ValueError:
    return ValueError(f"not a message of this service: {name} is not {expected}")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not json_text.is_unicode(value):
        raise _fault(name, "a text")
    return value


def _id(body: dict[str, Any], name: str) -> str:
    value = _text(body, name)
    if not value or json_text.size(value) > MAX_ID_BYTES:
        raise _fault(name, f"an id of up to {MAX_ID_BYTES} bytes")
    return value


def _caller(body: dict[str, Any], name: str) -> str:
    """The name of a caller."""
    value = _text(body, name)
    if printable(value) != value:
        raise _fault(name, f"a name of up to {MAX_NAME} characters that can be printed")
    return value


def _group(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not is_group(value):
        raise _fault(name, "the name of a group")
    return value


def _number(body: dict[str, Any], name: str, *, least: int = 0, most: int = MAX_NUMBER) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _fault(name, f"a number from {least} to {most}")
    return value


def _switch(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise _fault(name, "true or false")
    return value


def _attempt(body: dict[str, Any], name: str) -> int:
    return _number(body, name, least=1)


def _time(body: dict[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(_number(body, name, most=MAX_MILLISECONDS) / 1000, UTC)


class _Member(NamedTuple):
    """A member of a message's JSON text."""

    name: str
    field: str
    """The field of the message that it tells."""
    read: Callable[[dict[str, Any], str], Any]
    """Reads the member of that name. Raises ValueError."""
    is_optional: bool = False
    """Whether it is left out where the field has its default."""


_CRASHES: Final = _Member("crashes", "crashes", _number, is_optional=True)
_QUEUE_GROUP: Final = _Member("queueGroup", "queue_group", _group, is_optional=True)
_NOT_BEFORE: Final = _Member("notBefore", "not_before", _time, is_optional=True)
_REPLAY: Final = _Member("replay", "replay", _number, is_optional=True)
_BY: Final = _Member("by", "by", _caller, is_optional=True)

_MEMBERS: Final[dict[type[QueueMessage], tuple[_Member, ...]]] = {
    GroupStart: (
        _Member("list", "list_id", _id),
        _Member("group", "group", _number),
        _Member("failedBefore", "failed_before", _switch),
        *(_NOT_BEFORE, _REPLAY, _BY, _CRASHES, _QUEUE_GROUP),
    ),
    ListCancel: (_Member("cancel", "list_id", _id), _REPLAY, _BY, _CRASHES, _QUEUE_GROUP),
    CacheWrite: (
        _Member("cache", "key", _id),
        _Member("isList", "is_list", _switch),
        _Member("namespace", "namespace", _text),
        _Member("scope", "scope", _text),
        _Member("attempt", "attempt", _attempt),
        *(_NOT_BEFORE, _CRASHES, _QUEUE_GROUP),
    ),
    TaskMessage: (
        _Member("id", "task_id", _id),
        _Member("attempt", "attempt", _attempt),
        *(_NOT_BEFORE, _REPLAY, _BY, _CRASHES, _QUEUE_GROUP),
    ),
}
"""The members of each kind of message; the first one tells the kind."""


def to_text(message: QueueMessage) -> str:
    """A message as JSON text."""
    body: dict[str, Any] = {}
    for member in _MEMBERS[type(message)]:
        value = getattr(message, member.field)
        if value or not member.is_optional:
            body[member.name] = round(value.timestamp() * 1000) if isinstance(value, datetime) else value
    return json.dumps(body)


def from_text(text: str) -> QueueMessage:
    """The message of a JSON text. Raises ValueError for a text that this service has not written."""
    body = strict_json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("not a message of this service: not an object")
    kind = next((kind for kind, members in _MEMBERS.items() if members[0].name in body), TaskMessage)
    members = _MEMBERS[kind]
    return kind(**{one.field: one.read(body, one.name) for one in members if one.name in body or not one.is_optional})
