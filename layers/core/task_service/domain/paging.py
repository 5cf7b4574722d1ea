"""Pages of tasks, lists and templates: their size, the keys that order them, and the cursors between them.

Templates are ordered by name. Tasks and task lists are ordered by their sort key, a text: milliseconds since 1970 in
fixed width, '#', the id. So they stand in the order of creation, those of one millisecond in the order of their ids.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from task_service.domain import json_text
from task_service.domain.errors import BadRequest
from task_service.domain.limits import MAX_NAME_BYTES

DEFAULT_LIMIT: Final = 50
"""Entries of a page, unless the client says something else."""

MAX_LIMIT: Final = 100
"""The most entries of a page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """The page that a client asks for."""

    limit: int = DEFAULT_LIMIT
    """The most entries of the page."""
    after: str | None = None
    """The key at which the page before ended; None for the first page."""


# -- cursors


def encode_cursor(collection: str, key: str) -> str:
    """The cursor that a client sends back to get the page of a collection after this key."""
    return base64.urlsafe_b64encode(f"{collection} {key}".encode()).decode()


def decode_cursor(collection: str, cursor: str) -> str:
    """The key in a cursor of this collection. Raises BadRequest, for a cursor of another collection too."""
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _not_ours() from None
    owner, _, key = text.partition(" ")
    if owner != collection or json_text.size(key) > MAX_NAME_BYTES:
        raise _not_ours()
    return key


def decode_sort_key(collection: str, cursor: str) -> str:
    """The sort key in a cursor of this collection. Raises BadRequest."""
    key = decode_cursor(collection, cursor)
    if not is_sort_key(key):
        raise _not_ours()
    return key


def _not_ours() -> BadRequest:
    return BadRequest("next: not a cursor that this service has given")


# -- sort keys

_WIDTH: Final = 15
"""Digits of a time, up to the year 9999."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def sort_key(created_at: datetime, record_id: str) -> str:
    """The sort key of a record with this time of creation and this id."""
    return f"{round(created_at.timestamp() * 1000):0{_WIDTH}}#{record_id}"


def id_of(key: str) -> str:
    """The id in a sort key."""
    return key[_WIDTH + 1 :]


def milliseconds_of(key: str) -> int:
    """The time of creation in a sort key, in milliseconds since 1970."""
    return int(key[:_WIDTH])


def is_sort_key(text: str) -> bool:
    """Whether a text has the form of a sort key."""
    time, mark = text[:_WIDTH], text[_WIDTH : _WIDTH + 1]
    return time.isascii() and time.isdigit() and mark == "#" and len(text) > _WIDTH + 1


def sort_key_at(moment: datetime) -> str:
    """The text that separates the sort keys of earlier records from those of this moment or later."""
    return f"{max(0, -((_EPOCH - moment) // _MILLISECOND)):0{_WIDTH}}"
