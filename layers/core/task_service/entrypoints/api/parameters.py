"""Query parameters: the page that a client asks for, and the filter of a search."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from task_service.domain.errors import BadRequest
from task_service.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, PageRequest, decode_cursor, decode_sort_key
from task_service.domain.search import Filter
from task_service.domain.task import State
from task_service.entrypoints.api.request import Request

SEARCH_PARAMETERS: Final = ("name", "state", "since", "until", "limit", "next")

_TIME: Final = re.compile(
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})(?P<fraction>\.[0-9]+)?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_SPACE_FOR_PLUS: Final = re.compile(r" (?=[0-9]{2}:[0-9]{2}\Z)")


def page_request(request: Request) -> PageRequest:
    """The page of templates in `limit` and `next`. Raises BadRequest."""
    return _page(request, decode_cursor)


def search_request(request: Request) -> tuple[Filter, PageRequest]:
    """The filter of a search, and its page. Raises BadRequest, which names the parameter and what is allowed."""
    for name in request.query:
        # A misspelt filter would find everything.
        if name not in SEARCH_PARAMETERS:
            raise BadRequest(f"{name}: is not a parameter of this; {', '.join(SEARCH_PARAMETERS)} are")
    query = request.query
    wanted = search_filter(
        name=query.get("name"), since=_time(query, "since"), until=_time(query, "until"), state=query.get("state")
    )
    return wanted, _page(request, decode_sort_key)


def search_filter(*, name: str | None, since: str | None, until: str | None, state: str | None = None) -> Filter:
    """The filter in these texts, None for those that are not sent. Raises BadRequest."""
    earliest = None if since is None else moment("since", since)
    before = None if until is None else moment("until", until)
    if earliest is not None and before is not None and earliest > before:
        raise BadRequest("since: it is after until")
    if name == "":
        raise BadRequest("name: it is empty, the name of a template is expected")
    if state is not None and state not in list(State):
        raise BadRequest(f"state: {state!r} is none of {', '.join(State)}")
    return Filter(name=name, state=None if state is None else State(state), since=earliest, until=before)


def _time(query: Mapping[str, str], name: str) -> str | None:
    """The text of a time; a plus sign that is not encoded in a query arrives as a space."""
    text = query.get(name)
    return None if text is None else _SPACE_FOR_PLUS.sub("+", text)


def _page(request: Request, decode: Callable[[str, str], str]) -> PageRequest:
    limit, cursor = _limit(request), request.query.get("next")
    return PageRequest(limit=limit, after=None if cursor is None else decode(request.resource, cursor))


def _limit(request: Request) -> int:
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit: {text!r} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _parsed(found: re.Match[str]) -> datetime:
    """The time in a match of _TIME. Raises ValueError and OverflowError for one that the calendar does not have."""
    minute = f"{found['minute'][:10]}T{found['minute'][11:]}"
    offset = found["offset"].upper()
    if found["second"] != "60":
        return datetime.fromisoformat(f"{minute}:{found['second']}{found['fraction'] or ''}{offset}")
    # A leap second is the last one of a month in UTC (RFC 3339, 5.7); here it is the next month's first moment.
    following = datetime.fromisoformat(f"{minute}:59{offset}").astimezone(UTC) + timedelta(seconds=1)
    if (following.day, following.hour, following.minute) != (1, 0, 0):
        raise ValueError("a leap second at another time")
    return following


def moment(name: str, text: str) -> datetime:
    """The time in the text of a field. Raises BadRequest."""
    if (found := _TIME.fullmatch(text)) is not None:
        with suppress(ValueError, OverflowError):
            return _parsed(found)
    raise BadRequest(f"{name}: {text!r} is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z")
