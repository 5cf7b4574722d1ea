"""Descriptions of the operations on templates and policies, which are the same for every kind."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from task_service.domain.errors import NotFound, PreconditionFailed, TaskServiceError
from task_service.domain.limits import MAX_DOCUMENT_BYTES, MAX_TASKS, check_document, check_list_size, check_name
from task_service.domain.template import TemplateKind
from task_service.entrypoints.api.conditions import if_match, if_new, is_known
from task_service.entrypoints.api.parameters import page_request
from task_service.entrypoints.api.templates import template_name
from task_service.entrypoints.docs import answers, bodies
from task_service.entrypoints.docs.common import (
    CHANGED_BY,
    ETAG,
    IF_CHANGED,
    IF_MATCH,
    IF_NONE_MATCH,
    NAME_RULE,
    PAGING,
    PAYLOAD_ERRORS,
    POLICIES,
    TASK_LIST_TEMPLATES,
    TASK_TEMPLATES,
    in_path,
)
from task_service.entrypoints.docs.examples import a_request, raised_by
from task_service.entrypoints.docs.operation import Body, Operation, Parameter, Success, Tag
from task_service.schemas.policy import PolicySchema, too_large_to_store, validate_policy
from task_service.schemas.template import (
    TaskListTemplateSchema,
    TaskTemplateSchema,
    validate_list_template,
    validate_task_template,
)

PAGE_ERRORS: Final = (
    *(raised_by(partial(page_request, a_request(query=query))) for query in ({"limit": "0"}, {"next": "2"})),
)

_NO_TAG: Final = raised_by(lambda: if_match(a_request(headers={"If-Match": "1"})))
_NO_KNOWN_TAG: Final = raised_by(lambda: is_known(a_request(headers={"If-None-Match": "1"}), ""))
_NO_STAR: Final = raised_by(lambda: if_new(a_request(headers={"If-None-Match": "1"})))
_TOO_LARGE: Final = raised_by(lambda: check_document(f'"{"x" * MAX_DOCUMENT_BYTES}"'))


def put_errors(kind: TemplateKind) -> tuple[TaskServiceError, ...]:
    """The errors of writing that the templates of every kind have."""
    return (
        *PAYLOAD_ERRORS,
        _TOO_LARGE,
        _NO_TAG,
        _NO_STAR,
        PreconditionFailed.changed(kind),
        PreconditionFailed.exists(kind),
    )


def delete_errors(kind: TemplateKind) -> tuple[TaskServiceError, ...]:
    """The errors of deleting."""
    return (NotFound.template(kind), _NO_TAG, PreconditionFailed.changed(kind))


_GREETING_NAME: Final = "examples/example/greeting/1.0"
_GREETING: Final = 'package example.greeting\n\nmessage := sprintf("Hello, %s!", [input.name])\n'


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of templates."""

    kind: TemplateKind
    path: str
    id: str
    """Its name in the ids of operations."""
    noun: str
    tag: Tag
    name: tuple[Parameter, ...]
    """The parts of the path that make the name of a template."""
    read: type[BaseModel]
    written: type[BaseModel]
    page: type[BaseModel]
    examples: Mapping[str, Any]
    """Bodies to write, by the names of the examples."""
    stored: Mapping[str, Any]
    """The first of them, as it is read."""
    faults: tuple[TaskServiceError, ...]
    """Errors that are about the body."""
    description: str = ""
    """The description of writing."""


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
    kind=TemplateKind.TASK,
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
        "a policy": {"requestPolicy": _GREETING_NAME},
    },
    stored={
        "name": "charge",
        **_CHARGE,
    },
    faults=(
        raised_by(lambda: check_name(" ")),
        raised_by(
            lambda: validate_task_template(
                "charge", json.dumps({**_CHARGE, "method": "BREW"}), longest_timeout=timedelta(seconds=50)
            )
        ),
    ),
    description=(
        "Tasks that exist already keep the template of their creation. For up to TemplateCacheSeconds (30) after a "
        "change, a function may create tasks with the version before."
    ),
)

TASK_LIST: Final = Kind(
    kind=TemplateKind.TASK_LIST,
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
        raised_by(lambda: validate_list_template("onboarding", '{"groups": [{"execution": "any"}]}')),
        raised_by(lambda: check_list_size([])),
        raised_by(lambda: check_list_size([MAX_TASKS + 1])),
    ),
    description="The task templates that it names can be written later, before the first list is created.",
)

POLICY: Final = Kind(
    kind=TemplateKind.POLICY,
    path="/v1/policies",
    id="Policy",
    noun="policy",
    tag=POLICIES,
    name=(
        in_path("repository", "Any text without slashes, like the other three parts.", "examples"),
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
        raised_by(lambda: template_name(a_request(segments={"repository": "examples", "group": "%20"}))),
        raised_by(partial(validate_policy, _GREETING_NAME, "{}")),
        raised_by(partial(validate_policy, _GREETING_NAME, r'{"source": "x", "data": {"a": "\ud800"}}')),
        too_large_to_store(MAX_DOCUMENT_BYTES + 1),
    ),
    description=(
        "The policy is compiled before it is stored. Its package has to be `group.name`. For up to "
        "TemplateCacheSeconds (30) after a change, an executor may use the version before."
    ),
)


def operations() -> Iterable[Operation]:
    """List, read, write and delete templates of every kind."""
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
    headers = {"ETag": ETAG, "x-changed-by": CHANGED_BY}
    return Operation(
        method="GET",
        path=_one(kind),
        id=f"read{kind.id}",
        tag=kind.tag,
        summary=f"Read a {kind.noun}",
        parameters=(*kind.name, IF_CHANGED),
        answers={
            200: Success(
                description=f"The {kind.noun}, without members that are not set.",
                shape=kind.read,
                example=kind.stored,
                headers=headers,
            ),
            304: Success(description="The client has this version already.", headers=headers),
        },
        errors=(_NO_KNOWN_TAG, NotFound.template(kind.kind)),
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
        answers={200: stored("It replaced another version."), 201: stored("It is new.")},
        errors=(*kind.faults, *put_errors(kind.kind)),
    )


def _delete(kind: Kind) -> Operation:
    return Operation(
        method="DELETE",
        path=_one(kind),
        id=f"delete{kind.id}",
        tag=kind.tag,
        summary=f"Delete a {kind.noun}",
        parameters=(*kind.name, IF_MATCH),
        answers={204: Success(description="It is deleted.")},
        errors=delete_errors(kind.kind),
    )
