"""Models of event tasks."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from task_service.domain import json_text
from task_service.domain.errors import BadRequest
from task_service.domain.event_task import CacheEntry
from task_service.domain.limits import MAX_NAME_BYTES
from task_service.schemas.reading import TaskName, Text, null_as_empty, parse_object, validated


def _no_comma(value: str) -> str:
    if "," in value:
        raise ValueError("a comma is not part of it: events have key, namespace and scope separated by commas")
    return value


Part = Annotated[Text, AfterValidator(_no_comma)]


class EventTaskIdentity(BaseModel):
    """The cache entry that an event task waits for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(min_length=1), AfterValidator(_no_comma)]
    namespace: Part = ""
    scope: Part = ""
    taskName: Annotated[str, BeforeValidator(null_as_empty, json_schema_input_type=str | None)] = ""


class EventTaskSchema(EventTaskIdentity):
    """An event task: the task that is created when an entry is set in the cache."""

    taskName: Annotated[TaskName, Field(description="The name of a task template.")]


def identify(payload: str) -> str:
    """The name under which the event task of a payload is stored; its taskName is not part of it. Raises BadRequest."""
    schema = validated(EventTaskIdentity, parse_object(payload, "event task"), "an event task")
    name = CacheEntry(key=schema.key, namespace=schema.namespace, scope=schema.scope).name
    if json_text.size(name) > MAX_NAME_BYTES:
        raise BadRequest(f"key, namespace, scope: at most {MAX_NAME_BYTES} bytes in all are allowed")
    return name


def validate(name: str, payload: str) -> Mapping[str, Any]:
    """The event task in `payload`, checked. Raises BadRequest, which names each member at fault."""
    return validated(EventTaskSchema, parse_object(payload, "event task"), "an event task").model_dump()
