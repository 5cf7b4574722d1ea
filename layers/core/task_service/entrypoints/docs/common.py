"""Parts that operations share: tags, parameters, headers, and the errors that many operations have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from task_service.domain.errors import InsufficientScope, InternalError, TurnedOff, Unauthenticated, Unavailable
from task_service.domain.json_text import MAX_BYTES
from task_service.domain.limits import check_payload
from task_service.domain.paging import DEFAULT_LIMIT, MAX_LIMIT
from task_service.domain.start import MAX_WAIT
from task_service.entrypoints.api import later
from task_service.entrypoints.docs.examples import a_request, raised_by
from task_service.entrypoints.docs.operation import Header, Parameter, Tag

TASKS: Final = Tag(name="Tasks", description="Create tasks, follow them, read their results.")
TASK_LISTS: Final = Tag(name="Task lists", description="Groups of tasks, which run one after the other.")
TASK_TEMPLATES: Final = Tag(name="Task templates", description="What the tasks of a name do.")
TASK_LIST_TEMPLATES: Final = Tag(name="Task list templates", description="Which tasks the lists of a name run.")
POLICIES: Final = Tag(
    name="Policies", description="Rego policies of this service, for deployments without a policy service."
)
EVENT_TASKS: Final = Tag(name="Event tasks", description="Which task is created when an entry of the cache is set.")
HEALTH: Final = Tag(name="Health", description="For load balancers. Needs no token.")
DOCUMENTATION: Final = Tag(name="Documentation", description="This page. Needs no token.")

NAME_RULE: Final = "Percent-encoded where needed, a slash as `%2F`; decoded once."


def in_path(name: str, description: str, example: str | None = None) -> Parameter:
    """A part of the path."""
    schema = {"type": "string", "minLength": 1}
    return Parameter(name=name, where="path", description=description, schema=schema, example=example)


def in_query(name: str, description: str, **schema: Any) -> Parameter:
    """A query parameter, a string unless the schema says otherwise."""
    return Parameter(name=name, where="query", description=description, schema={"type": "string", **schema})


def in_header(name: str, description: str, **schema: Any) -> Parameter:
    """A header of the request, a string unless the schema says otherwise."""
    return Parameter(name=name, where="header", description=description, schema={"type": "string", **schema})


def answer_header(description: str, *, is_certain: bool = False, **schema: Any) -> Header:
    """A header of an answer, a string unless the schema says otherwise."""
    return Header(description=description, schema={"type": "string", **schema}, is_certain=is_certain)


TASK_ID: Final = in_path(
    "taskID", "The `taskID` in the answer to its creation, or the `id` of a task in the status of a list."
)
TASK_LIST_ID: Final = in_path("taskListID", "The `taskListID` in the answer to its creation.")

CACHE_HEADERS: Final = (
    in_header("x-cache-namespace", "Namespace of the result in the cache service; overrides the template's."),
    in_header("x-cache-scope", "Scope of the result in the cache service; overrides the template's."),
)

START_HEADERS: Final = (
    in_header(
        later.HEADERS.delay,
        f"Seconds from the creation to the start, at most {int(MAX_WAIT.total_seconds())}; "
        "not together with `x-task-not-before`.",
        pattern="^[0-9]{1,7}$",
    ),
    in_header(
        later.HEADERS.not_before,
        f"Time of the start (RFC 3339), at most {MAX_WAIT.days} days ahead; not together with `x-task-delay`.",
        format="date-time",
    ),
    in_header(
        later.HEADERS.group,
        "The group in whose turn it starts, a tenant for example: however many tasks a group has, those of others "
        "do not wait for them. The name of the template unless set.",
        pattern="^[!-~]{1,128}$",
    ),
)
START_ERRORS: Final = tuple(
    raised_by(partial(later.parse_start, later.HEADERS, delay, not_before, group, datetime(2026, 1, 1, tzinfo=UTC)))
    for delay, not_before, group in (
        (-1, None, None),
        (None, "tomorrow", None),
        (None, "2026-02-01T12:00:00Z", None),
        (60, "2026-01-01T12:00:00Z", None),
        (None, None, ""),
    )
)

TRACE_HEADERS: Final = (
    in_header(
        "traceparent",
        "The trace that the task or list belongs to (W3C Trace Context). One that is not valid is ignored.",
    ),
    in_header("tracestate", "Sent with every call, as traceparent is."),
)

PAGING: Final = (
    in_query(
        "limit", "The most entries of the page.", type="integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT
    ),
    in_query("next", "`next` of the previous page."),
)

IF_MATCH: Final = in_header(
    "If-Match",
    "The `ETag` of the version to change, several separated by commas, or `*` for any. "
    "Answered with 412 if another one is stored.",
    pattern=r'^(\*|"[^",]*"(, ?"[^",]*")*)$',
)
IF_NONE_MATCH: Final = in_header("If-None-Match", "`*`: answered with 412 if there is one already.", enum=["*"])
IF_CHANGED: Final = in_header(
    "If-None-Match",
    "The `ETag` of the version that the client has. Answered with 304 if it is still the same.",
    pattern=r'^(\*|"[^",]*")$',
)

ETAG: Final = answer_header("The tag of this version, for `If-Match`.", is_certain=True, pattern='^"[0-9a-f]{32}"$')
CHANGED_BY: Final = answer_header(
    "`sub` of the caller who has written this version, percent-encoded where needed; only if it is known."
)
CHALLENGE: Final = {
    "WWW-Authenticate": answer_header("What the client lacks (RFC 6750)."),
    "x-amzn-Remapped-WWW-Authenticate": answer_header("The same, as API Gateway renames it."),
}

PAYLOAD_ERRORS: Final = (
    raised_by(lambda: check_payload("")),
    raised_by(lambda: check_payload('{"name": oops}')),
    raised_by(lambda: check_payload(f'"{"x" * MAX_BYTES}"')),
)

EVERYWHERE: Final = (InternalError(),)
"""Errors of every operation."""

NAMED: Final = (raised_by(lambda: a_request(segments={"name": "%ff"}).segment("name")),)
"""Errors of operations with a name or an id in their path."""

GUARDED: Final = (
    Unavailable(),
    Unauthenticated(),
    Unauthenticated.invalid_token(Unauthenticated.EXPIRED),
    Unavailable.token_keys(),
)
"""Errors of operations that use the storage, and need a token where authentication is on."""

WRITING: Final = (
    InsufficientScope("task.admin"),
    TurnedOff.template_writes(),
)
"""Errors of operations that write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayError:
    """An error that API Gateway answers by itself; a test compares it with template.yaml."""

    status: int
    kind: int
    message: str
    detail: str
    headers: Mapping[str, Header] = field(default_factory=dict)
    has_body: bool = False
    """Whether only requests with a body can get it."""


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
        status=415,
        kind=1,
        message="the payload is not encoded as Content-Encoding says: gzip, deflate, identity or none",
        detail="the payload is not encoded as Content-Encoding says: gzip, deflate, identity or none",
        has_body=True,
    ),
    GatewayError(
        status=429,
        kind=0,
        message="too many requests",
        detail="the rate limit is exceeded, try again later",
        headers={"Retry-After": answer_header("Seconds.", is_certain=True, type="integer", minimum=0)},
    ),
    GatewayError(status=500, kind=7, message="internal error", detail="the request could not be handled"),
    GatewayError(status=502, kind=7, message="no answer", detail="the service gave no valid answer"),
    GatewayError(status=504, kind=7, message="timeout", detail="the service did not answer in time"),
)
