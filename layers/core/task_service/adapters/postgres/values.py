"""The forms that values have in the database."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from task_service.adapters.postgres.connection import Row
from task_service.domain.context import Context
from task_service.domain.task import Body, State, Task
from task_service.domain.task_list import TaskList


def is_possible(text: str) -> bool:
    """Whether a column can hold a text at all; clients may ask for any id or name."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


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


def member_values(record: Task | TaskList, names: Iterable[str]) -> dict[str, Any]:
    """The columns that are called like a record's members."""
    values = {name: getattr(record, name) for name in names}
    return values | {"state": record.state.value, "context": record.context.to_text()}


def read_members(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """The members of a record that are called like columns."""
    members = {name: row[name] for name in names}
    return members | {"state": State(row["state"]), "context": Context.from_text(row["context"])}
