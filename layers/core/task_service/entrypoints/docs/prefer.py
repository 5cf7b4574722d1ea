"""What requests may ask for beside themselves, as it is described: to wait, and to create once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from task_service.domain.errors import BadRequest, KeyReused, TaskFailed
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.operation import ANY_JSON, Header, Operation, Parameter, Success

_WAIT: Final = Parameter(
    name="Prefer",
    where="header",
    description=(
        "`wait=20` (RFC 7240): answered when it has ended, or after so many seconds, at most 25. "
        "What is not understood is ignored."
    ),
    schema={"type": "string"},
)
_KEY: Final = Parameter(
    name="Idempotency-Key",
    where="header",
    description="The same key with the same request creates once, however often it is sent.",
    schema={"type": "string", "pattern": r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$'},
)

_APPLIED: Final = Header(
    description="With `Prefer`: `wait=` and the seconds that it was done with.",
    schema={"type": "string", "pattern": "^wait=[0-9]+$"},
    is_certain=False,
)
_ANSWERED_AFTER_WAITING: Final = (404, 424)

_LOCATION: Final = Header(
    description="With `Prefer`, where the body is what this names, and not the id.",
    schema={"type": "string"},
    is_certain=False,
)


def waiting(operation: Operation) -> Operation:
    """The operation of reading, with Prefer."""
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


def creating_task(operation: Operation) -> Operation:
    """The operation of creating a task, with Prefer and Idempotency-Key."""
    answer, headers = operation.answers[200], _created("x-task-id", "the task")
    shape = {"anyOf": [{"$ref": "#/components/schemas/TaskCreated"}, ANY_JSON]}
    described = replace(
        answer,
        description="The task is durable, and will run. With `Prefer`, where it is done in time: its result.",
        shape=shape,
        models=(answers.TaskCreated,),
        headers=headers,
    )
    failed = TaskFailed("task failed: the target answered 404")
    cancelled = TaskFailed("task cancelled: cancelled on request")
    told = {name: headers[name] for name in ("Preference-Applied", "x-task-id")}
    return replace(_creating(operation, {200: described}, failed, cancelled), error_headers={failed.status: told})


def creating_list(operation: Operation, failed_status: Any) -> Operation:
    """The operation of creating a list, with Prefer and Idempotency-Key; `failed_status` is of one that has failed."""
    answer, headers = operation.answers[200], _created("x-task-list-id", "the list")
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in ("TaskListCreated", "TaskListStatus")]
    described = replace(
        answer,
        description="The list is durable, and will run. With `Prefer`, where it is done in time: its status.",
        shape={"anyOf": refs},
        models=(answers.TaskListCreated, answers.TaskListStatus),
        headers=headers,
    )
    failed = Success(
        description="With `Prefer`, where the list has failed or was cancelled in time: its status.",
        shape=answers.TaskListStatus,
        example=failed_status,
        headers=headers,
    )
    return _creating(operation, {200: described, 207: failed})


def _creating(operation: Operation, described: Mapping[int, Success], *errors: Any) -> Operation:
    key = BadRequest(
        "Idempotency-Key: one key of 1 to 255 visible ASCII characters is expected, with or without quotes around it"
    )
    return replace(
        operation,
        parameters=(*operation.parameters, _WAIT, _KEY),
        answers=described,
        errors=(*operation.errors, *errors, key, KeyReused()),
    )


def _created(name: str, noun: str) -> dict[str, Header]:
    identity = Header(description=f"With `Prefer`: the id of {noun}.", schema={"type": "string"}, is_certain=False)
    return {"Preference-Applied": _APPLIED, "Content-Location": _LOCATION, name: identity}
