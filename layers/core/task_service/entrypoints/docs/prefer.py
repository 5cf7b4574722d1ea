"""Descriptions of the headers Prefer and Idempotency-Key, and of what they change in answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from task_service.domain.errors import KeyReused, TaskFailed
from task_service.domain.idempotency import parse_key
from task_service.domain.task import State
from task_service.domain.task_list import CANCELLED
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.examples import raised_by
from task_service.entrypoints.docs.operation import ANY_JSON, Header, Operation, Parameter, Success

_WAIT: Final = Parameter(
    name="Prefer",
    where="header",
    description=(
        "`wait=20` (RFC 7240): the answer comes when the task or list has ended, or after this many seconds, at most "
        "25. Other preferences are ignored."
    ),
    schema={"type": "string"},
)
_KEY: Final = Parameter(
    name="Idempotency-Key",
    where="header",
    description="Requests with the same key and the same content create one task or list.",
    schema={"type": "string", "pattern": r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$'},
)

_APPLIED: Final = Header(
    description="With `Prefer`: `wait=` and the seconds that were granted.",
    schema={"type": "string", "pattern": "^wait=[0-9]+$"},
    is_certain=False,
)
_ANSWERED_AFTER_WAITING: Final = (404, 424)

FAILED: Final = TaskFailed.ended_as(State.FAILED, "the target answered 404")
WAS_CANCELLED: Final = TaskFailed.ended_as(State.CANCELLED, CANCELLED)

_LOCATION: Final = Header(
    description="With `Prefer`, if the body is not the id: the address of what it shows.",
    schema={"type": "string"},
    is_certain=False,
)


def add_wait(operation: Operation) -> Operation:
    """Add Prefer to an operation that reads."""
    return replace(
        operation,
        parameters=(*operation.parameters, _WAIT),
        answers={
            status: replace(answer, headers={**answer.headers, "Preference-Applied": _APPLIED})
            for status, answer in operation.answers.items()
        },
        error_headers={
            error.status: {"Preference-Applied": _APPLIED}
            for error in operation.errors
            if error.status in _ANSWERED_AFTER_WAITING
        },
    )


def add_task_creation(operation: Operation) -> Operation:
    """Add Prefer and Idempotency-Key to the operation that creates a task."""
    answer, headers = operation.answers[200], _creation_headers("x-task-id", "the task")
    shape = {"anyOf": [{"$ref": "#/components/schemas/TaskCreated"}, ANY_JSON]}
    described = replace(
        answer,
        description="The task is durable, and will run. With `Prefer`, if it is done in time: its result.",
        shape=shape,
        models=(answers.TaskCreated,),
        headers=headers,
    )
    error_headers = {name: headers[name] for name in ("Preference-Applied", "x-task-id")}
    return replace(
        _add_creation(operation, {200: described}, FAILED, WAS_CANCELLED), error_headers={FAILED.status: error_headers}
    )


def add_list_creation(operation: Operation, failed_status: Any) -> Operation:
    """Add Prefer and Idempotency-Key to the operation that creates a list.

    `failed_status` is an example of a list's status after it failed.
    """
    answer, headers = operation.answers[200], _creation_headers("x-task-list-id", "the list")
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in ("TaskListCreated", "TaskListStatus")]
    described = replace(
        answer,
        description="The list is durable, and will run. With `Prefer`, if it is done in time: its status.",
        shape={"anyOf": refs},
        models=(answers.TaskListCreated, answers.TaskListStatus),
        headers=headers,
    )
    failed = Success(
        description="With `Prefer`, if the list failed or was cancelled in time: its status.",
        shape=answers.TaskListStatus,
        example=failed_status,
        headers=headers,
    )
    return _add_creation(operation, {200: described, 207: failed})


def _add_creation(operation: Operation, described: Mapping[int, Success], *errors: Any) -> Operation:
    no_key = raised_by(lambda: parse_key(""))
    return replace(
        operation,
        parameters=(*operation.parameters, _WAIT, _KEY),
        answers=described,
        errors=(*operation.errors, *errors, no_key, KeyReused()),
    )


def _creation_headers(name: str, noun: str) -> dict[str, Header]:
    identity = Header(description=f"With `Prefer`: the id of {noun}.", schema={"type": "string"}, is_certain=False)
    return {"Preference-Applied": _APPLIED, "Content-Location": _LOCATION, name: identity}
