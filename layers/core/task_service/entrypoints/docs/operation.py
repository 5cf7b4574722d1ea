"""The description of an operation: what a method of a resource takes, and every answer that it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from task_service.domain.errors import TaskServiceError

Schema = type[BaseModel] | Mapping[str, Any]
"""A model, or a JSON schema."""
Shape = Schema | tuple[Schema, ...]
"""One of them, or any of several."""

ANY_JSON: Mapping[str, Any] = {"description": "Any JSON value."}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """A heading under which operations are shown."""

    name: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A part of the path, a query parameter or a header."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: Mapping[str, Any]
    example: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """The body of a request, which the client has to send."""

    shape: Shape
    examples: Mapping[str, Any]
    """Bodies, by the names of the examples."""
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A header of an answer."""

    description: str
    schema: Mapping[str, Any]
    is_certain: bool = True
    """Whether every such answer has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Success:
    """An answer that is not an error."""

    description: str
    shape: Shape | None = None
    """None if it has no body."""
    example: Any = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    content_type: str = "application/json"
    links: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """The description of one method of one resource."""

    method: str
    path: str
    id: str
    tag: Tag
    summary: str
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: Body | None = None
    answers: Mapping[int, Success]
    errors: Sequence[TaskServiceError] = ()
    """An example of each error, except those that follow from the path, the method and `is_open`."""
    error_headers: Mapping[int, Mapping[str, Header]] = field(default_factory=dict)
    """Headers that errors of this operation have, by their status."""
    is_open: bool = False
    """Whether it is answered without a token."""
