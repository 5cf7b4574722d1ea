"""Templates of every kind, as they are described: written, read, listed and deleted alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from task_service.domain.errors import BadRequest, NotFound, PreconditionFailed, TaskServiceError, TooLarge
from task_service.entrypoints.docs import answers, bodies
from task_service.entrypoints.docs.common import (
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    NAME_RULE,
    PAGING,
    PAYLOAD_ERRORS,
    POLICIES,
    TASK_LIST_TEMPLATES,
    TASK_TEMPLATES,
    UNAVAILABLE,
    UNREADABLE_NAME,
    in_path,
)
from task_service.entrypoints.docs.operation import Body, Operation, Parameter, Success, Tag
from task_service.schemas.policy import PolicySchema
from task_service.schemas.template import HALF_A_PAIR, TaskListTemplateSchema, TaskTemplateSchema

PAGE_ERRORS: Final = (
    BadRequest("limit: '0' is not a number from 1 to 100"),
    BadRequest("next: not a cursor that this service has given"),
    UNAVAILABLE,
)
PUT_ERRORS: Final = (
    *PAYLOAD_ERRORS,
    TooLarge("the template is larger than 300000 bytes"),
    BadRequest("If-Match: one tag in double quotes, as in ETag, or * is allowed"),
    BadRequest("If-None-Match: only * is supported, for writing a new template"),
    PreconditionFailed("the task template has been changed since, or is not there"),
    PreconditionFailed("this task template exists already"),
    UNAVAILABLE,
)
DELETE_ERRORS: Final = (
    BadRequest("If-Match: one tag in double quotes, as in ETag, or * is allowed"),
    PreconditionFailed("the task template has been changed since, or is not there"),
    UNAVAILABLE,
)

_GREETING: Final = 'package example.greeting\n\nmessage := sprintf("Hello, %s!", [input.name])\n'


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of templates."""

    path: str
    id: str
    """In the operations' ids."""
    noun: str
    tag: Tag
    name: tuple[Parameter, ...]
    """The parts of the path that make a template's name."""
    read: type[BaseModel]
    written: type[BaseModel]
    page: type[BaseModel]
    examples: Mapping[str, Any]
    """What is written."""
    stored: Mapping[str, Any]
    """What the first of them is read as."""
    faults: tuple[TaskServiceError, ...]
    """What may be wrong with what is written."""
    missing: str
    description: str = ""
    """Of writing."""


_CHARGE: Final = {
    "url": "https://payments.example.com/charges",
    "method": "POST",
    "headers": {"X-Tenant": "acme"},
    "timeoutSeconds": 20,
    "retry": {"maxAttempts": 5, "minDelaySeconds": 1, "maxDelaySeconds": 300},
    "acceptStatus": ["2xx", 409],
}
_ONBOARDING: Final = {
    "groups": [
        {"execution": "sequential", "tasks": ["create-account", "create-wallet"]},
        {"execution": "parallel", "tasks": ["send-mail", "notify-crm"]},
    ]
}

TASK: Final = Kind(
    path="/v1/taskTemplates",
    id="TaskTemplate",
    noun="task template",
    tag=TASK_TEMPLATES,
    name=(in_path("name", f"The name of the template. {NAME_RULE}", "charge"),),
    read=TaskTemplateSchema,
    written=bodies.TaskTemplateBody,
    page=answers.TaskTemplatePage,
    examples={
        "an HTTP call": _CHARGE,
        "a policy": {"requestPolicy": "examples/example/greeting/1.0"},
    },
    stored={
        "name": "charge",
        **_CHARGE,
    },
    faults=(
        BadRequest("name: 1 to 1000 bytes are allowed, not only spaces"),
        BadRequest("method: one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS is allowed"),
    ),
    missing="task template not found",
    description=(
        "A change is for tasks that are created after it, once every function knows of it: until TemplateCacheSeconds "
        "(30) later, a function may still use what was there before."
    ),
)

TASK_LIST: Final = Kind(
    path="/v1/taskListTemplates",
    id="TaskListTemplate",
    noun="task list template",
    tag=TASK_LIST_TEMPLATES,
    name=(in_path("name", f"The name of the template. {NAME_RULE}", "onboarding"),),
    read=TaskListTemplateSchema,
    written=bodies.TaskListTemplateBody,
    page=answers.TaskListTemplatePage,
    examples={
        "two groups": _ONBOARDING,
    },
    stored={
        "name": "onboarding",
        **_ONBOARDING,
    },
    faults=(
        BadRequest("groups.0.execution: Input should be 'sequential' or 'parallel'"),
        BadRequest("groups: at least one task in all is needed"),
        TooLarge("groups: 1001 tasks, at most 1000 are allowed"),
    ),
    missing="taskList template not found",
    description="The task templates that it names need not be there before a list is created.",
)

POLICY: Final = Kind(
    path="/v1/policies",
    id="Policy",
    noun="policy",
    tag=POLICIES,
    name=(
        in_path("repository", "Without slashes, as the other three.", "examples"),
        in_path("group", "The first part of the source's package.", "example"),
        in_path("name", "The second part of the source's package.", "greeting"),
        in_path("version", "Any text.", "1.0"),
    ),
    read=PolicySchema,
    written=bodies.PolicyBody,
    page=answers.PolicyPage,
    examples={"a greeting": {"source": _GREETING, "data": {}}},
    stored={
        "repository": "examples",
        "group": "example",
        "name": "greeting",
        "version": "1.0",
        "source": _GREETING,
        "data": {},
    },
    faults=(
        BadRequest("group: a name without slashes is expected in the path, not ' '"),
        BadRequest("source: Field required"),
        BadRequest(f"data: {HALF_A_PAIR}"),
        TooLarge(
            "source, data: 1102122 bytes as they are stored, with numbers written out (1e3 as 1000.0), "
            "at most 300000 are allowed"
        ),
    ),
    missing="policy not found",
    description=(
        "It is compiled before it is stored. Its package has to be `group.name`. Until TemplateCacheSeconds (30) "
        "later, an executor may still use what was there before."
    ),
)


def operations() -> Iterable[Operation]:
    """Everything about templates and policies."""
    for kind in (TASK, TASK_LIST, POLICY):
        yield _page(kind)
        yield _get(kind)
        yield _put(kind)
        yield _delete(kind)


def _one(kind: Kind) -> str:
    return "/".join((kind.path, *(f"{{{part.name}}}" for part in kind.name)))


def _page(kind: Kind) -> Operation:
    return Operation(
        method="GET",
        path=kind.path,
        id=f"list{kind.id.removesuffix('y')}{'ies' if kind.id.endswith('y') else 's'}",
        tag=kind.tag,
        summary="List them by name, page by page",
        parameters=PAGING,
        answers={200: Success(description="A page.", shape=kind.page, example={"items": [kind.stored], "next": None})},
        errors=PAGE_ERRORS,
    )


def _get(kind: Kind) -> Operation:
    return Operation(
        method="GET",
        path=_one(kind),
        id=f"read{kind.id}",
        tag=kind.tag,
        summary=f"Read a {kind.noun}",
        parameters=kind.name,
        answers={
            200: Success(
                description=f"The {kind.noun}; members that are not set are missing.",
                shape=kind.read,
                example=kind.stored,
                headers={"ETag": ETAG},
            )
        },
        errors=(UNREADABLE_NAME, NotFound(kind.missing), UNAVAILABLE),
    )


def _put(kind: Kind) -> Operation:
    def stored(description: str) -> Success:
        return Success(description=description, shape=kind.read, example=kind.stored, headers={"ETag": ETAG})

    return Operation(
        method="PUT",
        path=_one(kind),
        id=f"write{kind.id}",
        tag=kind.tag,
        summary=f"Write a {kind.noun}",
        description=kind.description,
        parameters=(*kind.name, IF_MATCH, IF_NONE_MATCH),
        body=Body(shape=kind.written, examples=kind.examples),
        answers={200: stored("It has replaced another one."), 201: stored("It is new.")},
        errors=(UNREADABLE_NAME, *kind.faults, *PUT_ERRORS),
    )


def _delete(kind: Kind) -> Operation:
    return Operation(
        method="DELETE",
        path=_one(kind),
        id=f"delete{kind.id}",
        tag=kind.tag,
        summary=f"Delete a {kind.noun}",
        parameters=(*kind.name, IF_MATCH),
        answers={204: Success(description="It is gone.")},
        errors=(UNREADABLE_NAME, NotFound(kind.missing), *DELETE_ERRORS),
    )
