"""What searches answer with."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from task_service.domain.errors import BadRequest
from task_service.domain.search import Found
from task_service.entrypoints.api import request
from task_service.entrypoints.api.status import list_summary, task_status
from task_service.usecases.edit_templates import to_cursor
from task_service.usecases.search import Question, Searcher

_PARAMETERS: Final = ("name", "state", "since", "until", "limit", "next")


def tasks(searcher: Searcher, event: request.Event) -> str:
    """The page of tasks that a request asks for, as JSON text. Raises BadRequest."""
    return _page(searcher.tasks(_question(event)), task_status)


def lists(searcher: Searcher, event: request.Event) -> str:
    """The page of task lists that a request asks for, as JSON text. Raises BadRequest."""
    return _page(searcher.lists(_question(event)), list_summary)


def _question(event: request.Event) -> Question:
    for name in request.query_names(event):
        # A filter that nobody knows would find everything.
        if name not in _PARAMETERS:
            raise BadRequest(f"{name}: is not a parameter of this; {', '.join(_PARAMETERS)} are")
    return Question.read({name: request.query(event, name) for name in _PARAMETERS})


def _page(found: Found[Any], shown: Callable[[Any], Mapping[str, Any]]) -> str:
    items: Sequence[Mapping[str, Any]] = [shown(item) for item in found.items]
    following = None if found.next is None else to_cursor(found.next)
    return json.dumps({"items": items, "next": following}, ensure_ascii=False)
