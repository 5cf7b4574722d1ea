"""JSON kept as text: checked once, then passed on unchanged.

Bodies and results are never parsed into Python objects and written again, so numbers of any size, the order of
members and the spelling of strings arrive as they were sent, and passing them on costs nothing.
"""

import json
import re
from typing import Final, Never

MAX_DEPTH: Final = 10_000
"""Arrays and objects may be nested this deep."""

MAX_BYTES: Final = 5_000_000
"""The largest body or result, in bytes of UTF-8."""

MAX_ESCAPED_BYTES: Final = 6_000_000
"""The largest body or result as a JSON string, which is how Lambda carries it: its limit for a request or a
response is 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); the rest is for what
surrounds the body."""


class InvalidJson(ValueError):
    """A text that is not one JSON value; the message says what is wrong and where."""


def _refuse_constant(name: str) -> Never:
    raise InvalidJson(f"{name} is not a JSON value")


# Numbers are only checked, never converted: `str` returns the matched text itself, whatever its length.
_CHECKER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def check(text: str) -> None:
    """Check that `text` is exactly one JSON value (RFC 8259), nested no deeper than MAX_DEPTH.

    Raises InvalidJson.
    """
    if text.startswith("\ufeff"):
        raise InvalidJson("byte order mark at line 1 column 1")
    try:
        _CHECKER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(_describe(error.msg, text, error.pos)) from None
    except RecursionError:
        _check_deep(text)
        return
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)


def is_valid(text: str) -> bool:
    """Whether `text` is one JSON value."""
    try:
        check(text)
    except InvalidJson:
        return False
    return True


def from_text(text: str) -> str:
    """`text` as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def size(text: str) -> int:
    """Bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def too_large(text: str) -> str | None:
    """Why `text` is more than this service carries, or None where it is not."""
    plain = size(text)
    if plain > MAX_BYTES:
        return f"{plain} bytes, at most {MAX_BYTES} are allowed"
    # A quick upper bound first: escaping at most doubles what valid JSON text holds (quotes, backslashes, new lines).
    if 2 * plain > MAX_ESCAPED_BYTES:
        escaped = plain + sum(text.count(character) for character in '"\\\n\r\t')
        if escaped > MAX_ESCAPED_BYTES:
            return (
                f"{plain} bytes that become {escaped} when escaped for transport, "
                f"at most {MAX_ESCAPED_BYTES} are allowed"
            )
    return None


# -- what the standard library's recursive scanner cannot do: values nested deeper than the interpreter's stack

_STRING: Final = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_SCALAR: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|true|false|null", re.ASCII)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BRACKETS_AND_STRINGS: Final = re.compile(r'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"')
_CLOSING: Final = {"[": "]", "{": "}"}


def _describe(what: str, text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"{what} at line {line} column {column}"


def _check_depth(text: str) -> None:
    """Refuse a valid JSON `text` that is nested too deeply."""
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(text, match.start())
        elif token in "]}":
            depth -= 1


def _too_deep(text: str, position: int) -> InvalidJson:
    return InvalidJson(_describe(f"nested deeper than {MAX_DEPTH} levels", text, position))


def _check_deep(text: str) -> None:
    """Check `text` with a stack of our own instead of the interpreter's."""
    end = len(text)
    open_brackets: list[str] = []
    position = 0

    def skip_space() -> None:
        nonlocal position
        match = _SPACE.match(text, position)
        position = match.end() if match else position

    def take(pattern: re.Pattern[str], what: str) -> None:
        nonlocal position
        match = pattern.match(text, position)
        if match is None:
            raise InvalidJson(_describe(f"Expecting {what}", text, position))
        position = match.end()

    def take_member_name() -> None:
        nonlocal position
        take(_STRING, "property name enclosed in double quotes")
        skip_space()
        if text[position : position + 1] != ":":
            raise InvalidJson(_describe("Expecting ':' delimiter", text, position))
        position += 1

    while True:
        # A value is due.
        skip_space()
        opening = text[position : position + 1]
        if opening in ("[", "{"):
            if len(open_brackets) == MAX_DEPTH:
                raise _too_deep(text, position)
            position += 1
            skip_space()
            if text[position : position + 1] != _CLOSING[opening]:
                open_brackets.append(opening)
                if opening == "{":
                    take_member_name()
                continue
            position += 1
        else:
            take(_STRING if opening == '"' else _SCALAR, "value")
        # A value has ended: close what ends with it, until another value is due or all is closed.
        while open_brackets:
            skip_space()
            character = text[position : position + 1]
            if character == ",":
                position += 1
                if open_brackets[-1] == "{":
                    skip_space()
                    take_member_name()
                break
            if character != _CLOSING[open_brackets[-1]]:
                raise InvalidJson(_describe("Expecting ',' delimiter", text, position))
            position += 1
            open_brackets.pop()
        else:
            skip_space()
            if position != end:
                raise InvalidJson(_describe("Extra data", text, position))
            return
