"""When a task or a list is to start, as a client says it: in headers, or in members of a batch's item."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from task_service.domain.errors import BadRequest
from task_service.domain.start import AT_ONCE, MAX_WAIT, Start
from task_service.entrypoints.api.request import Request

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services

_MAX_SECONDS: Final = int(MAX_WAIT.total_seconds())
_SHOWN: Final = 80
"""Characters of a wrong value that a refusal repeats."""


class Names(NamedTuple):
    """The names of the two fields."""

    delay: str
    not_before: str


HEADERS: Final = Names("x-task-delay", "x-task-not-before")
MEMBERS: Final = Names("delaySeconds", "notBefore")


def start_of(request: Request, services: "Services") -> Start:
    """The start that a request's headers ask for. Raises BadRequest."""
    delay, not_before = (request.header(name) for name in HEADERS)
    if delay is None and not_before is None:
        return AT_ONCE
    text = None if delay is None else delay.strip(" \t")
    # Another text than a number stays what it is, and is refused as that.
    seconds = int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else text
    return parse_start(HEADERS, seconds, None if not_before is None else not_before.strip(" \t"), services.clock())


def parse_start(names: Names, delay: Any, not_before: Any, now: datetime) -> Start:
    """The start that a client asks for, None for a field that it has not sent. Raises BadRequest."""
    if delay is not None and not_before is not None:
        raise BadRequest(f"{names.delay} and {names.not_before}: both are given, only one of them is allowed")
    if delay is not None:
        return Start(delay=timedelta(seconds=_seconds(names.delay, delay)))
    return AT_ONCE if not_before is None else Start(not_before=_moment(names.not_before, not_before, now))


def _seconds(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_SECONDS:
        return value
    raise BadRequest(
        f"{name}: {_shown(value)} is not a whole number of seconds from 0 to {_MAX_SECONDS} ({MAX_WAIT.days} days)"
    )


def _moment(name: str, value: Any, now: datetime) -> datetime:
    from task_service.entrypoints.api.parameters import moment

    if not isinstance(value, str):
        raise BadRequest(f"{name}: {_shown(value)} is not a text with a time as in RFC 3339")
    found = moment(name, value)
    if found - now > MAX_WAIT:
        raise BadRequest(f"{name}: {_shown(value)} is more than {MAX_WAIT.days} days ahead, the most that is allowed")
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
