"""Limits of names, documents, payloads and lists, and the checks that enforce them."""

from collections.abc import Sequence
from typing import Final

from task_service.domain import json_text
from task_service.domain.errors import BadRequest, TooLarge

MAX_NAME_BYTES: Final = 1_000
"""The longest name of a template: it is part of a key."""

MAX_DOCUMENT_BYTES: Final = 300_000
"""The largest template or policy: a record holds 400 KB."""

MAX_BATCH: Final = 100
"""The most tasks of one creation."""

MAX_TASKS: Final = 1_000
"""The most tasks of a list, and the most groups."""


def check_name(name: str) -> None:
    """Check that `name` can name a template. Raises BadRequest."""
    if not name.strip() or json_text.size(name) > MAX_NAME_BYTES:
        raise BadRequest(f"name: 1 to {MAX_NAME_BYTES} bytes are allowed, not only spaces")


def check_payload(payload: str) -> None:
    """Check that `payload` is a JSON text that this service carries. Raises BadRequest, TooLarge."""
    if not payload.strip(" \t\r\n"):
        raise BadRequest("missing required payload")
    fault = json_text.too_large(payload)
    if fault:
        raise TooLarge(f"payload too large: {fault}")
    try:
        json_text.check(payload)
    except json_text.InvalidJson as error:
        raise BadRequest(f"payload is not valid JSON: {error}") from None


def check_document(payload: str) -> None:
    """Check that `payload` is a JSON text that fits a template's record. Raises BadRequest, TooLarge."""
    check_payload(payload)
    if json_text.size(payload) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"the template is larger than {MAX_DOCUMENT_BYTES} bytes")


def check_list_size(group_sizes: Sequence[int]) -> None:
    """Check the numbers of tasks of a list's groups. Raises BadRequest, TooLarge."""
    if sum(group_sizes) == 0:
        raise BadRequest("groups: at least one task in all is needed")
    for noun, number in (("tasks", sum(group_sizes)), ("groups", len(group_sizes))):
        if number > MAX_TASKS:
            raise TooLarge(f"groups: {number} {noun}, at most {MAX_TASKS} are allowed")
