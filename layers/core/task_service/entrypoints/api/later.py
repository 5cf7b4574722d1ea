"""When a task or a list is to start, and in whose turn: as headers say it, or the members of a batch's item."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from task_service.domain.errors import BadRequest
from task_service.domain.start import AT_ONCE, GROUP_RULE, MAX_WAIT, Start, is_group
from task_service.entrypoints.api.request import Request

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services

_MAX_SECONDS: Final = int(MAX_WAIT.total_seconds())
_SHOWN: Final = 80
"""Characters of a wrong value that a refusal repeats."""


class Names(NamedTuple):
    """The names of the fields."""

    delay: str
    not_before: str
    group: str


HEADERS: Final = Names("x-task-delay", "x-task-not-before", "x-task-group")
MEMBERS: Final = Names("delaySeconds", "notBefore", "group")


def start_of(request: Request, services: "Services") -> Start:
    """The start that a request's headers ask for. Raises BadRequest."""
    # Spaces around the value of a header are not part of it (RFC 9110, 5.5).
    values = [request.header(name) for name in HEADERS]
    if values == [None] * len(HEADERS):
        return AT_ONCE
    delay, not_before, group = (None if value is None else value.strip(" \t") for value in values)
    # Another text than a number stays what it is, and is refused as that.
    seconds = int(delay) if delay and len(delay) < 10 and delay.isascii() and delay.isdigit() else delay
    return parse_start(HEADERS, seconds, not_before, group, services.clock())


def parse_start(
    names: Names, delay: int | str | None, not_before: str | None, group: str | None, now: datetime
) -> Start:
    """The start that a client asks for, None for a field that it has not sent. Raises BadRequest."""
    if delay is not None and not_before is not None:
        raise BadRequest(f"{names.delay} and {names.not_before}: both are given, only one of them is allowed")
    start = Start(
        delay=None if delay is None else timedelta(seconds=_seconds(names.delay, delay)),
        not_before=None if not_before is None else _moment(names.not_before, not_before, now),
        group=group or "",
    )
    if group is not None and not is_group(group):
        raise BadRequest(f"{names.group}: {GROUP_RULE}")
    return start


def _seconds(name: str, value: int | str) -> int:
    if isinstance(value, int) and 0 <= value <= _MAX_SECONDS:
        return value
    raise BadRequest(
        f"{name}: {_shown(value)} is not a whole number of seconds from 0 to {_MAX_SECONDS} ({MAX_WAIT.days} days)"
    )


def _moment(name: str, value: str, now: datetime) -> datetime:
    from task_service.entrypoints.api.parameters import moment

    found = moment(name, value)
    if found - now > MAX_WAIT:
        raise BadRequest(f"{name}: {_shown(value)} is more than {MAX_WAIT.days} days ahead, the most that is allowed")
    return found


def _shown(value: int | str) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
