"""The model of a request that replays many."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from task_service.domain.limits import check_payload
from task_service.domain.paging import DEFAULT_LIMIT, MAX_LIMIT
from task_service.schemas.reading import parse_object, validated

_NARROWING = ("name", "since", "until")
_Time = Annotated[str | None, Field(json_schema_extra={"format": "date-time"})]


class ReplaySchema(BaseModel):
    """Which failed tasks or lists are replayed: at least one of `name`, `since` and `until` is needed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"anyOf": [{"required": [member]} for member in _NARROWING]},
    )

    resource: Annotated[Literal["tasks", "taskLists"], Field(description="`tasks` unless set.")] = "tasks"
    name: Annotated[str | None, Field(min_length=1, description="The name of the template.")] = None
    since: Annotated[_Time, Field(description="The earliest time of creation.")] = None
    until: Annotated[_Time, Field(description="The time of creation is earlier than this.")] = None
    limit: Annotated[
        int, Field(ge=1, le=MAX_LIMIT, description=f"The most that are replayed; {DEFAULT_LIMIT} unless set.")
    ] = DEFAULT_LIMIT
    next: Annotated[str | None, Field(description="`next` of the previous answer.")] = None

    @model_validator(mode="after")
    def _is_narrowed(self) -> Self:
        if all(getattr(self, member) is None for member in _NARROWING):
            raise ValueError(
                f"at least one of {', '.join(_NARROWING)} is needed, so that nobody replays all by mistake"
            )
        return self


def read_replays(payload: str) -> ReplaySchema:
    """The request in the JSON text `payload`. Raises BadRequest, which names each member at fault, and TooLarge."""
    check_payload(payload)
    return validated(ReplaySchema, parse_object(payload, "replays"), "replays")
