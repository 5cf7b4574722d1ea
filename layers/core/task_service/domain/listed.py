"""The order in which tasks and task lists are found: by creation, those of one millisecond by their ids.

A place in this order is a text: milliseconds since 1970 in fixed width, '#', the id.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

_WIDTH: Final = 15
"""Digits of a time, up to the year 9999."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def listed(created_at: datetime, record_id: str) -> str:
    """The place of what was created then under this id."""
    return f"{round(created_at.timestamp() * 1000):0{_WIDTH}}#{record_id}"


def record_id(place: str) -> str:
    """The id of what has this place."""
    return place[_WIDTH + 1 :]


def is_place(text: str) -> bool:
    """Whether this is a place at all."""
    time, mark = text[:_WIDTH], text[_WIDTH : _WIDTH + 1]
    return time.isascii() and time.isdigit() and mark == "#" and len(text) > _WIDTH + 1


def start_of(moment: datetime) -> str:
    """Before all that was created at this moment or later, after all that was created earlier."""
    return f"{max(0, -((_EPOCH - moment) // _MILLISECOND)):0{_WIDTH}}"
