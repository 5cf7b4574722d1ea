"""Reading a JSON object that a client writes, and checking it against a model."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from task_service.domain import json_text, strict_json
from task_service.domain.errors import BadRequest
from task_service.domain.limits import MAX_NAME_BYTES

M = TypeVar("M", bound=BaseModel)

MAX_FAULTS: Final = 20
"""So many faults of a document are described."""

HALF_A_PAIR: Final = r"half of a surrogate pair (\ud800 to \udfff) is no character, only whole pairs are allowed"
"""The fault of a string that JSON can escape and no table can store."""


def null_as_empty(value: object) -> object:
    """An empty string in the place of null: the first generation of the service knew no difference."""
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(null_as_empty, json_schema_input_type=str | None), Field(max_length=4_000)]


def fits_a_key(name: str) -> str:
    """Refuse a name that no template can have. Raises ValueError."""
    if json_text.size(name) > MAX_NAME_BYTES:
        raise ValueError(f"at most {MAX_NAME_BYTES} bytes are allowed")
    return name


TaskName = Annotated[str, Field(min_length=1), AfterValidator(fits_a_key)]
"""The name of a task template."""


def parse_object(payload: str, noun: str) -> dict[str, Any]:
    """The JSON object in `payload`, all of whose strings can be stored. Raises BadRequest."""
    try:
        document = strict_json.loads(payload)
    except json_text.InvalidJson as error:
        raise BadRequest(f"{noun}: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest(f"{noun}: a JSON object is expected")
    for member, value in document.items():
        if not json_text.is_unicode(json.dumps({member: value}, ensure_ascii=False)):
            name = member.encode(errors="backslashreplace").decode()
            raise BadRequest(f"{name}: {HALF_A_PAIR}")
    return document


def validated(model: type[M], document: dict[str, Any], noun: str, context: dict[str, Any] | None = None) -> M:
    """The document as a model, without the member `_id` of documents that were exported from MongoDB.

    Raises BadRequest, which names each member at fault, its fault and what is allowed.
    """
    document.pop("_id", None)
    try:
        return model.model_validate(document, context=context)
    except ValidationError as error:
        raise BadRequest(describe(error, model, noun)) from None


def describe(error: ValidationError, model: type[BaseModel], noun: str) -> str:
    """The message for a client: each member at fault, its fault and what is allowed."""
    faults = error.errors(include_url=False)
    more = [f"{len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
    return "; ".join([*(_describe(fault, model, noun) for fault in faults[:MAX_FAULTS]), *more])


def no_member(model: type[BaseModel], noun: str) -> str:
    """The fault of a member that the model does not have, and those that it has."""
    return f"is not a member of {noun}; {', '.join(model.model_fields)} are"


def _describe(fault: Mapping[str, Any], model: type[BaseModel], noun: str) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "is not a member of it"
        if len(fault["loc"]) == 1:
            message = no_member(model, noun)
    elif fault["type"] in ("model_type", "dict_type"):
        message = "a JSON object is expected"
    return f"{path}: {message}" if path else message
