"""The forms that values have in the database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from task_service.adapters.postgres.connection import Row
from task_service.domain.task import Body


def is_possible(text: str) -> bool:
    """Whether a column can hold a text at all; clients may ask for any id or name."""
    try:
        return ("\0" not in text and bool(text.encode("utf-8"))) or text == ""
    except UnicodeEncodeError:
        return False


def storable(text: str) -> str:
    """A text that people read, with a mark for each character that a column cannot hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def body_values(name: str, body: Body | None) -> dict[str, str | None]:
    """A body's two columns: the text itself, or the key of the row that has it."""
    return {name: body.text if body else None, f"{name}_key": body.blob if body else None}


def read_body(row: Row, name: str) -> Body | None:
    """The body in these columns; None: there is none."""
    text, key = row[name], row[f"{name}_key"]
    return None if text is None and key is None else Body(text=text, blob=key)


def in_utc(moment: datetime) -> datetime:
    """A client's time as PostgreSQL takes it, which knows no offset from UTC of 16 hours or more."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # The offset leads out of the first or the last year.
        return moment.replace(tzinfo=UTC)


def read_time(row: Mapping[str, Any], name: str) -> datetime:
    """A time, in UTC whatever the connection's time zone is."""
    moment: datetime = row[name]
    return moment.astimezone(UTC)


def read_optional_time(row: Mapping[str, Any], name: str) -> datetime | None:
    """The same of a column that may be empty."""
    return read_time(row, name) if row[name] is not None else None
