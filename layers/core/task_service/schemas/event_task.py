"""What event tasks may look like. Imported only where one is written: pydantic costs a third of a cold start."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from task_service.domain import json_text
from task_service.domain.errors import BadRequest
from task_service.domain.event_task import CacheEntry
from task_service.schemas.template import Text, not_set, parse_object, validated
from task_service.usecases.edit_templates import MAX_NAME_BYTES


def _no_comma(value: str) -> str:
    if "," in value:
        raise ValueError("a comma is not part of it: events have key, namespace and scope separated by commas")
    return value


def _no_longer_than_a_name(value: str) -> str:
    if json_text.size(value) > MAX_NAME_BYTES:
        raise ValueError(f"at most {MAX_NAME_BYTES} bytes are allowed")
    return value


Part = Annotated[Text, AfterValidator(_no_comma)]


class EventTaskIdentity(BaseModel):
    """The cache entry that an event task waits for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(min_length=1), AfterValidator(_no_comma)]
    namespace: Part = ""
    scope: Part = ""
    taskName: Annotated[str, BeforeValidator(not_set, json_schema_input_type=str | None)] = ""


class EventTaskSchema(EventTaskIdentity):
    """An event task: the task that is created when an entry is set in the cache."""

    taskName: Annotated[
        str, Field(min_length=1, description="The name of a task template."), AfterValidator(_no_longer_than_a_name)
    ]


def identify(payload: str) -> str:
    """The name under which the event task of a payload is stored; its task does not matter. Raises BadRequest."""
    name = _entry(validated(EventTaskIdentity, parse_object(payload, "event task"), "an event task")).name
    if json_text.size(name) > MAX_NAME_BYTES:
        raise BadRequest(f"key, namespace, scope: at most {MAX_NAME_BYTES} bytes in all are allowed")
    return name


def validate(name: str, payload: str) -> Mapping[str, Any]:
    """The event task in `payload`, checked. Raises BadRequest, which names each member at fault."""
    schema = validated(EventTaskSchema, parse_object(payload, "event task"), "an event task")
    return {"key": schema.key, "namespace": schema.namespace, "scope": schema.scope, "taskName": schema.taskName}


def _entry(schema: EventTaskIdentity) -> CacheEntry:
    return CacheEntry(key=schema.key, namespace=schema.namespace, scope=schema.scope)
