"""What embedded policies may look like. Imported only where one is written, as `template_schema`."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from task_service.domain.errors import BadRequest
from task_service.template_schema import describe

_PARTS: Final = ("repository", "group", "name", "version")


class PolicySchema(BaseModel):
    """A policy: its source, and its data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    group: str
    name: str
    version: str
    source: Annotated[str, Field(min_length=1, description="Rego, v0 or v1.")]
    data: dict[str, Any] | None = Field(default=None, description="What the source sees as `data`.")


def validate_policy(name: str, payload: str) -> Mapping[str, Any]:
    """The policy in `payload`, checked as far as it can be without compiling it.

    Raises BadRequest, which names each member at fault, its fault and what is allowed.
    """
    try:
        document = json.loads(payload, parse_float=_finite)
    except (RecursionError, ValueError):
        raise BadRequest("policy: nested too deeply, or a number is too long") from None
    if not isinstance(document, dict):
        raise BadRequest("policy: a JSON object is expected")
    for member, part in zip(_PARTS, name.split("/"), strict=True):
        if document.setdefault(member, part) != part:
            raise BadRequest(f"{member}: {document[member]!r} is not what the path says, {part!r}")
    try:
        return PolicySchema.model_validate(document).model_dump(exclude_none=True)
    except ValidationError as error:
        raise BadRequest(describe(error, PolicySchema, "a policy")) from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large")
    return number
