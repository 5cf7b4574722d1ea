"""Searching tasks and task lists, page by page."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from task_service.domain.errors import BadRequest
from task_service.domain.listed import is_place
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task
from task_service.ports import Clock, Search
from task_service.usecases.edit_templates import read_cursor, read_limit

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+ -][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a page is asked for."""

    wanted: Filter
    limit: int
    before: str | None = None
    """The place (`domain.listed`) from which the page goes on."""

    @classmethod
    def read(cls, parameters: Mapping[str, str | None]) -> "Question":
        """The question in the parameters name, state, since, until, limit and next; None: not given.

        Raises BadRequest, which names the parameter, its fault and what is allowed.
        """
        since, until = _time("since", parameters.get("since")), _time("until", parameters.get("until"))
        if since is not None and until is not None and since > until:
            raise BadRequest("since: it is after until")
        name = parameters.get("name")
        if name == "":
            raise BadRequest("name: it is empty, the name of a template is expected")
        return cls(
            wanted=Filter(name=name, state=_state(parameters.get("state")), since=since, until=until),
            limit=read_limit(parameters.get("limit")),
            before=_place(parameters.get("next")),
        )


@dataclass(kw_only=True, eq=False, repr=False)
class Searcher:
    """Finds tasks and task lists."""

    records: Search
    clock: Clock

    def tasks(self, question: Question) -> Found[Task]:
        """A page of tasks that are in no list."""
        return self.records.tasks(question.wanted, limit=question.limit, before=question.before, now=self.clock())

    def lists(self, question: Question) -> Found[ListSummary]:
        """A page of task lists."""
        return self.records.lists(question.wanted, limit=question.limit, before=question.before, now=self.clock())


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    if text not in list(State):
        raise BadRequest(f"state: {text!r} is none of {', '.join(State)}")
    return State(text)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    if _TIME.fullmatch(text):
        # Where a plus sign in a query is not encoded, a space arrives.
        date, time = text[:10], text[11:].replace(" ", "+")
        with suppress(ValueError):
            return datetime.fromisoformat(f"{date}T{time}".upper())
    raise BadRequest(f"{name}: {text!r} is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z")


def _place(cursor: str | None) -> str | None:
    place = read_cursor(cursor)
    if place is not None and not is_place(place):
        raise BadRequest("next: not a cursor that this service has given")
    return place
