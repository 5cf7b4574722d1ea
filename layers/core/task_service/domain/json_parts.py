"""The parts of a JSON text, cut out of it as they stand: a body keeps its numbers, its order and its spelling.

Each text is one that `json_text.check` has found valid.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from task_service.domain.json_text import InvalidJson, refuse_constant

_SPACES: Final = re.compile(r"[ \t\n\r]*+")
_STRING_OR_BRACKET: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]')
_SKIPPER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=refuse_constant)


def elements(text: str) -> list[str]:
    """The texts of an array's elements. Raises InvalidJson if it is not an array."""
    position = _after_spaces(text, 0)
    if text[position] != "[":
        raise InvalidJson("a JSON array is expected")
    return [text[start:end] for start, end in _values(text, position, "]")]


def members(text: str) -> dict[str, str]:
    """The texts of an object's members. Raises InvalidJson if it is not an object, or has a member twice."""
    position = _after_spaces(text, 0)
    if text[position] != "{":
        raise InvalidJson("a JSON object is expected")
    parts = [text[start:end] for start, end in _values(text, position, "}")]
    found: dict[str, str] = {}
    for name, value in zip(map(json.loads, parts[::2]), parts[1::2], strict=True):
        if name in found:
            raise InvalidJson(f"the member {name[:80]!r} is there twice")
        found[name] = value
    return found


def _values(text: str, opening: int, closing: str) -> Iterator[tuple[int, int]]:
    """Where the values within these brackets start and end; a member's name is a value too."""
    position = _after_spaces(text, opening + 1)
    while text[position] != closing:
        end = _end_of_value(text, position)
        yield position, end
        position = _after_spaces(text, end)
        if text[position] in ",:":
            position = _after_spaces(text, position + 1)


def _end_of_value(text: str, position: int) -> int:
    try:
        return _SKIPPER.raw_decode(text, position)[1]
    except RecursionError:
        return _end_of_brackets(text, position)


def _end_of_brackets(text: str, position: int) -> int:
    """The end of a value that is nested deeper than the interpreter's own scanner can follow."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text, position):
        if found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth -= 1
            if depth == 0:
                return found.end()
    raise AssertionError("the text is not valid JSON")


def _after_spaces(text: str, position: int) -> int:
    match = _SPACES.match(text, position)
    assert match is not None
    return match.end()
