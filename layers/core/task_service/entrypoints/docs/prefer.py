"""The headers Prefer and Idempotency-Key, and the headers and errors of answers that come with them."""

from functools import partial
from typing import Final

from task_service.domain.errors import KeyReused, TaskFailed
from task_service.domain.idempotency import parse_key
from task_service.domain.task import State
from task_service.domain.task_list import CANCELLED
from task_service.entrypoints.docs.common import answer_header, in_header
from task_service.entrypoints.docs.examples import raised_by
from task_service.entrypoints.docs.operation import Header

WAIT: Final = in_header(
    "Prefer",
    "`wait=20` (RFC 7240): the answer comes when the task or list has ended, or after this many seconds, at most "
    "25. Other preferences are ignored.",
)
KEY: Final = in_header(
    "Idempotency-Key",
    "Requests with the same key and the same content create one task or list.",
    pattern=r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$',
)

APPLIED: Final = {
    "Preference-Applied": answer_header(
        "With `Prefer`: `wait=` and the seconds that were granted.", pattern="^wait=[0-9]+$"
    )
}
"""The header of answers to requests with Prefer."""
LOCATION: Final = {
    "Content-Location": answer_header("With `Prefer`, if the body is not the id: the address of what it shows.")
}

FAILED: Final = TaskFailed.ended_as(State.FAILED, "the target answered 404")
WAS_CANCELLED: Final = TaskFailed.ended_as(State.CANCELLED, CANCELLED)
KEY_ERRORS: Final = (raised_by(partial(parse_key, "")), KeyReused())


def identity(name: str, noun: str) -> dict[str, Header]:
    """The header with the id of what was created."""
    return {name: answer_header(f"With `Prefer`: the id of {noun}.")}
