"""What operations have in common: parameters, headers, and the errors that come without an operation's doing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from task_service.domain.errors import (
    BadRequest,
    InsufficientScope,
    TaskServiceError,
    TooLarge,
    TurnedOff,
    Unauthenticated,
    Unavailable,
)
from task_service.entrypoints.docs.operation import Header, Parameter, Tag
from task_service.usecases.edit_templates import DEFAULT_LIMIT, MAX_LIMIT

TASKS: Final = Tag(name="Tasks", description="Create tasks, follow them, read their results.")
TASK_LISTS: Final = Tag(name="Task lists", description="Groups of tasks, which run one after the other.")
TASK_TEMPLATES: Final = Tag(name="Task templates", description="What a task of a name does.")
TASK_LIST_TEMPLATES: Final = Tag(name="Task list templates", description="Which tasks a list of a name runs.")
POLICIES: Final = Tag(name="Policies", description="Rego policies kept here, for deployments without a policy service.")
EVENT_TASKS: Final = Tag(name="Event tasks", description="Which task a change in the cache makes.")
HEALTH: Final = Tag(name="Health", description="For whoever balances load. Needs no token.")
DOCUMENTATION: Final = Tag(name="Documentation", description="This page. Needs no token.")

NAME_RULE: Final = "Percent-encoded where needed, a slash as `%2F`; decoded once."


def in_path(name: str, description: str, example: str | None = None) -> Parameter:
    """A part of the path."""
    schema = {"type": "string", "minLength": 1}
    return Parameter(name=name, where="path", description=description, schema=schema, example=example)


def header(name: str, description: str) -> Parameter:
    """A header of the request."""
    return Parameter(name=name, where="header", description=description, schema={"type": "string"})


TASK_ID: Final = in_path(
    "taskID", "The `taskID` that its creation was answered with, or the `id` of a task in a list's status."
)
TASK_LIST_ID: Final = in_path("taskListID", "The `taskListID` that its creation was answered with.")

CACHE_HEADERS: Final = (
    header("x-cache-namespace", "Namespace of the result in the cache service, in place of the template's."),
    header("x-cache-scope", "Scope of the result in the cache service, in place of the template's."),
)

PAGING: Final = (
    Parameter(
        name="limit",
        where="query",
        description="How many there are on a page, at most.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter(name="next", where="query", description="`next` of the page before.", schema={"type": "string"}),
)

IF_MATCH: Final = Parameter(
    name="If-Match",
    where="header",
    description="The `ETag` of the version that this is about, or `*` for any: refused with 412 where it has changed.",
    schema={"type": "string", "pattern": r'^(\*|"[^",]*")$'},
)
IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    where="header",
    description="`*`: refused with 412 where there is one already.",
    schema={"type": "string", "enum": ["*"]},
)

ETAG: Final = Header(
    description="The version, for `If-Match`.", schema={"type": "string", "pattern": '^"[0-9a-f]{32}"$'}
)

CHALLENGE: Final = {
    name: Header(description=description, schema={"type": "string"}, is_certain=False)
    for name, description in (
        ("WWW-Authenticate", "What is missing (RFC 6750)."),
        ("x-amzn-Remapped-WWW-Authenticate", "The same, as API Gateway renames it."),
    )
}

UNREADABLE_NAME: Final = BadRequest("the name in the path is not valid UTF-8")
UNAVAILABLE: Final = Unavailable()

PAYLOAD_ERRORS: Final = (
    BadRequest("missing required payload"),
    BadRequest("payload is not valid JSON: Expecting value at line 1 column 10"),
    TooLarge("payload too large: 5000002 bytes, at most 5000000 are allowed"),
)

EVERYWHERE: Final = (TaskServiceError("internal error"),)
"""Errors that the functions may answer anything with."""

GUARDED: Final = (
    Unauthenticated(),
    Unauthenticated("the token has expired", error="invalid_token"),
    Unavailable("the keys that tokens are verified with are not available"),
)
"""Errors of what needs a token, where authentication is on."""

WRITING: Final = (
    InsufficientScope("task.admin"),
    TurnedOff("writing templates is turned off in this deployment (TEMPLATE_WRITES)"),
)
"""Errors of PUT and DELETE."""

SCOPED_METHODS: Final = ("PUT", "DELETE")


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayError:
    """What API Gateway answers by itself; a test holds it against template.yaml."""

    status: int
    kind: int
    message: str
    detail: str
    headers: Mapping[str, Header] = field(default_factory=dict)
    has_body: bool = False
    """Whether only requests with a body get it."""


GATEWAY: Final = (
    GatewayError(
        status=403, kind=0, message="forbidden", detail="the request was refused before it reached the service"
    ),
    GatewayError(
        status=413,
        kind=1,
        message="payload too large: at most 5000000 bytes are allowed",
        detail="payload too large: at most 5000000 bytes, or 6000000 once escaped as a JSON string, are allowed",
        has_body=True,
    ),
    GatewayError(
        status=429,
        kind=0,
        message="too many requests",
        detail="the rate limit is exceeded, try again later",
        headers={"Retry-After": Header(description="Seconds.", schema={"type": "integer", "minimum": 0})},
    ),
    GatewayError(status=500, kind=7, message="internal error", detail="the request could not be handled"),
    GatewayError(status=502, kind=7, message="no answer", detail="the service gave no valid answer"),
    GatewayError(status=504, kind=7, message="timeout", detail="the service did not answer in time"),
)
