"""Models of task templates and task list templates."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from task_service.domain import header
from task_service.domain.errors import BadRequest
from task_service.domain.limits import check_list_size
from task_service.domain.template import CACHE_NAME_RULE, is_cache_name
from task_service.domain.url import Url
from task_service.schemas.reading import M, TaskName, Text, fits_a_key, parse_object, validated

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_STATUS: Final = re.compile(r"[1-5]\d\d|[1-5]xx|\*")
_OURS: Final = frozenset({"idempotency-key", "content-length", "transfer-encoding", "connection", "host", "upgrade"})
"""Headers that the service or the HTTP client sets itself."""
_SHORTEST_TIMEOUT: Final = 0.1
"""Seconds; no call ends in less."""
_POLICY: Final = "A policy: repository/group/name/version."
_CACHE: Final = "Where the cache service keeps the result, unless the headers of the creation name another place."


Delay = Annotated[float, Field(strict=True, ge=0, le=86_400, allow_inf_nan=False)]


class RetrySchema(BaseModel):
    """How often and how soon a failed attempt is repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    maxAttempts: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(
        default=None, description="All attempts, including the first; 1 + EXECUTOR_MAX_TASK_RETRIES (10) unless set."
    )
    minDelaySeconds: Delay | None = Field(default=None, description="The shortest delay before a retry; 1 unless set.")
    maxDelaySeconds: Delay | None = Field(
        default=None,
        description="The longest delay before a retry; 300 unless set, or twice minDelaySeconds if that is more.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        least, most = self.minDelaySeconds, self.maxDelaySeconds
        if least is not None and most is not None and least > most:
            raise ValueError("minDelaySeconds cannot be greater than maxDelaySeconds")
        return self


def _null_as_empty_list(value: object) -> object:
    """An empty list in the place of null, which the first generation of the service wrote for an empty group."""
    return [] if value is None else value


def _upper(value: str) -> str:
    return value.strip().upper()


def _fits_a_header(value: str) -> str:
    if not is_cache_name(value):
        raise ValueError(CACHE_NAME_RULE)
    return value


CacheName = Annotated[Text, AfterValidator(_fits_a_header)]
Status = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": r"^([1-5][0-9][0-9]|[1-5]xx|\*)$"},
            ]
        }
    ),
]


class TaskTemplateSchema(BaseModel):
    """A task template: what a task of this name does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    url: Text = Field(default="", description="http or https.")
    method: Annotated[Text, AfterValidator(_upper)] = Field(default="", description=f"One of {', '.join(METHODS)}.")
    requestPolicy: Text = Field(default="", description=f"Evaluated instead of an HTTP call. {_POLICY}")
    responsePolicy: Text = Field(
        default="", description=f"Its input is the response, its output replaces the response. {_POLICY}"
    )
    finalPolicy: Text = Field(default="", description=f"Like responsePolicy, and evaluated after it. {_POLICY}")
    cacheNamespace: CacheName = Field(default="", description=_CACHE)
    cacheScope: CacheName = Field(default="", description=_CACHE)
    headers: dict[str, Annotated[str, Field(max_length=4_000)]] | None = Field(
        default=None,
        max_length=50,
        description="Sent with the call, in addition to those that the service sets itself.",
    )
    timeoutSeconds: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="The time limit of an attempt; 30 unless set, at most the executor's timeout less 10 (50).",
    )
    redirects: Annotated[bool, Field(strict=True)] | None = Field(
        default=None,
        description="Whether redirects are followed; true unless set. If not, a redirect is the target's answer.",
    )
    retry: RetrySchema | None = None
    failureTask: Annotated[Text, AfterValidator(fits_a_key)] = Field(
        default="",
        description=(
            "The task template that is told when a task of this one has failed for good: a task of it is created with "
            "`id`, `name`, `error`, `responseCode` and `attempts` of the failed one. It has to be there by then."
        ),
    )
    acceptStatus: list[Status] | None = Field(
        default=None,
        max_length=50,
        description=(
            'The statuses with which the task is done, such as 409, "2xx" or "*". Of all others, 408, 425, 429 and 5xx '
            "are retried, and the rest fail the task. Unless set, the task is done with every status but those four."
        ),
    )

    @field_validator("method")
    @classmethod
    def _known_method(cls, method: str) -> str:
        if method and method not in METHODS:
            raise ValueError(f"one of {', '.join(METHODS)} is allowed")
        return method

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        found = header.faults(headers or {})
        for name, value in (headers or {}).items():
            if name.lower() in _OURS:
                found.append(f"{name} is set by the service itself")
            if name.lower() == "accept-encoding" and (fault := header.coding_fault(value)):
                found.append(f"{name}: {fault}")
        if found:
            raise ValueError("; ".join(found))
        return headers

    @field_validator("acceptStatus")
    @classmethod
    def _statuses(cls, statuses: list[int | str] | None) -> list[int | str] | None:
        for status in statuses or ():
            if not _STATUS.fullmatch(str(status)):
                raise ValueError(f'{status!r} is not a status; 100 to 599, "2xx" and "*" are allowed')
        return statuses

    @field_validator("timeoutSeconds")
    @classmethod
    def _within_executor(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        longest: timedelta = (info.context or {})["longest_timeout"]
        if seconds is not None and seconds < _SHORTEST_TIMEOUT:
            raise ValueError(f"at least {_SHORTEST_TIMEOUT} is allowed")
        if seconds is not None and seconds > longest.total_seconds():
            raise ValueError(f"at most {longest.total_seconds():g} is allowed in this deployment")
        return seconds

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.requestPolicy:
            return self
        if not (self.url and self.method):
            raise ValueError("either requestPolicy, or both url and method are needed")
        try:
            url = Url.parse(self.url)
        except ValueError as fault:
            raise ValueError(f"url: {fault}; http://host/… and https://host/… are allowed") from None
        if url.authorization and any(name.lower() == "authorization" for name in self.headers or {}):
            raise ValueError("either a user in the url, or the header Authorization is allowed, not both")
        return self


class GroupSchema(BaseModel):
    """A group of a task list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    execution: Literal["sequential", "parallel"]
    tasks: Annotated[
        list[TaskName], BeforeValidator(_null_as_empty_list, json_schema_input_type=list[TaskName] | None)
    ] = Field(default=[], description="Names of task templates.")
    finalPolicy: Text = Field(default="", description=f"Its input is the array of the tasks' results. {_POLICY}")


class TaskListTemplateSchema(BaseModel):
    """A task list template: groups of tasks, which run one after the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    groups: list[GroupSchema]
    cacheNamespace: CacheName = Field(default="", description=_CACHE)
    cacheScope: CacheName = Field(default="", description=_CACHE)


def validate_task_template(name: str, payload: str, *, longest_timeout: timedelta) -> Mapping[str, Any]:
    """The task template in `payload`, checked, with unset members left out.

    Raises BadRequest, which names each member at fault, its fault and what is allowed.
    """
    return _set_members(_validate(TaskTemplateSchema, name, payload, {"longest_timeout": longest_timeout}))


def validate_list_template(name: str, payload: str) -> Mapping[str, Any]:
    """The task list template in `payload`, checked, with unset members left out.

    Raises BadRequest, which names each member at fault, its fault and what is allowed, and TooLarge.
    """
    schema = _validate(TaskListTemplateSchema, name, payload, {})
    check_list_size([len(group.tasks) for group in schema.groups])
    groups = [{"execution": group.execution, **_set_members(group)} for group in schema.groups]
    return {**_set_members(schema), "groups": groups}


def _set_members(schema: BaseModel) -> dict[str, Any]:
    members: dict[str, Any] = schema.model_dump(exclude_none=True)
    return {member: value for member, value in members.items() if value not in ("", {}, [])}


def _validate(model: type[M], name: str, payload: str, context: dict[str, Any]) -> M:
    document = parse_object(payload, "template")
    document.setdefault("name", name)
    if document["name"] != name:
        raise BadRequest(f"name: {document['name']!r} is not the name in the path, {name!r}")
    return validated(model, document, "a template", context)
