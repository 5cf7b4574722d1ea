"""The model of a request that creates many tasks."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel

from task_service.domain import json_parts
from task_service.domain.errors import BadRequest
from task_service.domain.json_text import InvalidJson
from task_service.domain.limits import MAX_BATCH, check_payload
from task_service.domain.start import MAX_WAIT
from task_service.schemas.reading import no_member, parse_object, validated

_BODY: Final = "body"
_SHOWN: Final = 80
"""Characters of a member's name that a refusal repeats."""


class TaskOrderSchema(BaseModel):
    """A task to create."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1, description="The name of a task template.")]
    body: Annotated[Any, Field(description="Any JSON value. It is sent to the target unchanged.")]
    idempotencyKey: Annotated[
        str | None, Field(description="As the header `Idempotency-Key` of a single creation; both know the same keys.")
    ] = None
    delaySeconds: Annotated[
        int | None, Field(ge=0, le=int(MAX_WAIT.total_seconds()), description="Seconds from the creation to the start.")
    ] = None
    notBefore: Annotated[
        str | None,
        Field(
            description=f"Time of the start, at most {MAX_WAIT.days} days ahead; not together with `delaySeconds`.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    group: Annotated[str | None, Field(description="As the header `x-task-group` of a single creation.")] = None
    cacheNamespace: Annotated[str | None, Field(description="Overrides the template's.")] = None
    cacheScope: Annotated[str | None, Field(description="Overrides the template's.")] = None


class TaskOrdersSchema(RootModel[Annotated[list[TaskOrderSchema], Field(min_length=1, max_length=MAX_BATCH)]]):
    """The tasks to create."""


class OrderText(NamedTuple):
    """An item of a batch."""

    order: TaskOrderSchema
    """Without its body."""
    body: str
    """The body's JSON text, as the client has sent it; empty where there is none."""


def read_orders(payload: str) -> Sequence[OrderText | BadRequest]:
    """The items of a batch, or what is wrong with each. Raises BadRequest, if it is no batch at all, and TooLarge."""
    check_payload(payload)
    try:
        items = json_parts.elements(payload)
    except InvalidJson:
        raise BadRequest(f"payload: a JSON array of 1 to {MAX_BATCH} tasks is expected") from None
    if not 1 <= len(items) <= MAX_BATCH:
        raise BadRequest(f"payload: {len(items)} tasks, 1 to {MAX_BATCH} are allowed")
    return [_read(item) for item in items]


def _read(item: str) -> OrderText | BadRequest:
    try:
        texts = json_parts.members(item)
        body = texts.get(_BODY, "")
        if body:
            # Only passed on: what it holds is not read.
            texts[_BODY] = "null"
        document = "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items()) + "}"
        members = parse_object(document, "task")
        unknown = next((name for name in members if name not in TaskOrderSchema.model_fields), None)
        if unknown is not None:
            # The model would describe each of them, and a batch has room for half a million.
            raise BadRequest(f"{unknown[:_SHOWN]}: {no_member(TaskOrderSchema, 'task')}")
        return OrderText(order=validated(TaskOrderSchema, members, "task"), body=body)
    except InvalidJson as error:
        return BadRequest(f"task: {error}")
    except BadRequest as refusal:
        return refusal
