"""An operation of the API, as it is described: what its method on its route takes, and every answer that it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from task_service.domain.errors import TaskServiceError

Shape = type[BaseModel] | Mapping[str, Any]
"""A model, or a JSON schema."""

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
    """The body of a request, which is needed."""

    shape: Shape
    examples: Mapping[str, Any]
    """By what each shows."""
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A header of an answer."""

    description: str
    schema: Mapping[str, Any]
    is_certain: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Success:
    """An answer that is no error."""

    description: str
    shape: Shape | None = None
    """None: there is no body."""
    models: Sequence[type[BaseModel]] = ()
    """Those that a JSON schema refers to."""
    example: Any = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    content_type: str = "application/json"
    links: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What one method of one route does."""

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
    """Those of its own, an example each: beside what every operation, every guarded one and every writing one has."""
    error_headers: Mapping[int, Mapping[str, Header]] = field(default_factory=dict)
    """Headers of its own that errors have, by their status."""
    is_open: bool = False
    """Whether it needs no token where all others do."""
