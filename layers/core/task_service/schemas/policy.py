"""The model of embedded policies."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from task_service.domain import json_text
from task_service.domain.errors import BadRequest, TooLarge
from task_service.domain.limits import MAX_DOCUMENT_BYTES
from task_service.domain.template import document_text
from task_service.schemas.reading import describe, parse_object

_PARTS: Final = ("repository", "group", "name", "version")


class PolicySchema(BaseModel):
    """A policy: its source and its data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    group: str
    name: str
    version: str
    source: Annotated[str, Field(min_length=1, description="Rego, v0 or v1.")]
    data: dict[str, Any] | None = Field(default=None, description="The value of `data` in the source.")


def validate_policy(name: str, payload: str) -> Mapping[str, Any]:
    """The policy in `payload`, checked as far as it can be without compiling it.

    Raises BadRequest, which names each member at fault, its fault and what is allowed, and TooLarge.
    """
    document = parse_object(payload, "policy", parse_float=_finite)
    for member, part in zip(_PARTS, name.split("/"), strict=True):
        if document.setdefault(member, part) != part:
            raise BadRequest(f"{member}: {document[member]!r} is not what the path says, {part!r}")
    try:
        policy = PolicySchema.model_validate(document).model_dump(exclude_none=True)
    except ValidationError as error:
        raise BadRequest(describe(error, PolicySchema, "a policy")) from None
    size = json_text.size(document_text(policy))
    if size > MAX_DOCUMENT_BYTES:
        raise too_large_to_store(size)
    return policy


def too_large_to_store(size: int) -> TooLarge:
    """The error for a policy of so many bytes."""
    return TooLarge(
        f"source, data: {size} bytes as they are stored, with numbers written out (1e3 as 1000.0), "
        f"at most {MAX_DOCUMENT_BYTES} are allowed"
    )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large")
    return number
