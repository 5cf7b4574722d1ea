"""JSON kept as text: checked once, then passed on unchanged.

Bodies and results are never parsed into Python objects and written again, so numbers of any size, the order of
members and the spelling of strings arrive as they were sent, and passing them on costs nothing.
"""

import json
import re
from itertools import accumulate
from typing import Any, Final, Never

MAX_DEPTH: Final = 10_000
"""Arrays and objects may be nested this deep."""

MAX_DEEP_BYTES: Final = 1_000_000
"""A text nested deeper than the interpreter's own scanner can follow (1,000 levels in Python 3.11 and 3.12, almost
10,000 in 3.13) may be so long: checking it takes a second or so for every megabyte."""

MAX_BYTES: Final = 5_000_000
"""The largest body or result, in bytes of UTF-8."""

MAX_ESCAPED_BYTES: Final = 6_000_000
"""The largest body or result as a JSON string, which is how Lambda carries it: its limit for a request or a
response is 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); the rest is for what
surrounds the body."""


class InvalidJson(ValueError):
    """A text that is not one JSON value; the message says what is wrong and where."""


def refuse_constant(name: str) -> Never:
    """Refuse what Python's parser takes for a number: NaN, Infinity, -Infinity. Raises InvalidJson."""
    raise InvalidJson(f"{name} is not a JSON value")


_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# Numbers are only checked, never converted: `str` returns the matched text itself, whatever its length.
_CHECKER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=refuse_constant)


def check(text: str) -> None:
    """Check that `text` is exactly one JSON value (RFC 8259), nested no deeper than MAX_DEPTH.

    Raises InvalidJson.
    """
    try:
        decode(text, _CHECKER)
    except RecursionError:
        _check_deep(text)
        return
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)


def decode(text: str, decoder: json.JSONDecoder) -> Any:
    """The value of a JSON text. Raises InvalidJson, and RecursionError for one that is nested too deeply."""
    if text.startswith("\ufeff"):
        raise InvalidJson("byte order mark at line 1 column 1")
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(_at(error.msg.removesuffix(" at"), text, error.pos)) from None


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


def is_unicode(text: str) -> bool:
    """Whether no half of a surrogate pair is in `text`: JSON can escape one, and nothing can store it."""
    return text.isascii() or _SURROGATE.search(text) is None


def too_large(text: str, *, less: int = 0, parts: int = 1) -> str | None:
    """Why `text` is more than this service carries, or None where it is not.

    It may be one of `parts` that are carried together, with `less` bytes of something else, escaped ones included.
    """
    most, most_escaped = ((limit - less) // parts for limit in (MAX_BYTES, MAX_ESCAPED_BYTES))
    plain = size(text)
    if plain > most:
        return f"{plain} bytes, at most {most} are allowed"
    # A quick upper bound first: escaping at most doubles what valid JSON text holds (quotes, backslashes, new lines).
    if 2 * plain > most_escaped:
        # To look for a character is much quicker than to count it, and most texts have not all of these.
        escaped = plain + sum(text.count(character) for character in '"\\\n\r\t' if character in text)
        if escaped > most_escaped:
            return f"{plain} bytes that become {escaped} when escaped for transport, at most {most_escaped} are allowed"
    return None


# -- what the standard library's recursive scanner cannot do: values nested deeper than the interpreter's stack

_SPACE: Final = r"[ \t\n\r]*+"
_STRING: Final = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_SCALAR: Final = r"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?![\w.+-])|true|false|null)"
_FLAT: Final = rf"(?:{_STRING}|{_SCALAR}|\[{_SPACE}\]|\{{{_SPACE}\}})"
"""A value with nothing in it."""
_NAME: Final = rf"{_SPACE}{_STRING}{_SPACE}:{_SPACE}"

_VALUE: Final = re.compile(_FLAT)
_SPACES: Final = re.compile(_SPACE)
_MEMBER: Final = re.compile(_NAME)
_RUNS: Final = {
    "[": re.compile(rf"(?:{_SPACE}{_FLAT}{_SPACE},)*+"),
    "{": re.compile(rf"(?:{_SPACE}{_FLAT}{_SPACE},{_NAME})*+"),
}
"""Values with nothing in them, one after the other, each with what makes another value follow."""
_CLOSING: Final = {"[": "]", "{": "}"}

_NO_BRACKETS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^"\[\]{}]++')
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def _at(what: str, text: str, position: int) -> str:
    """The fault of a text, and its place."""
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"{what} at line {line} column {column}"


def _check_depth(text: str) -> None:
    """Refuse a valid JSON `text` that is nested too deeply."""
    brackets = _NO_BRACKETS.sub("", text)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise InvalidJson(f"nested deeper than {MAX_DEPTH} levels")


def _check_deep(text: str) -> None:
    """Check `text` with a stack of our own instead of the interpreter's."""
    if len(text) > MAX_DEEP_BYTES:
        raise InvalidJson(f"nested too deeply for a text of more than {MAX_DEEP_BYTES} characters")
    open_brackets: list[str] = []
    position = 0

    def skip(pattern: re.Pattern[str]) -> None:
        nonlocal position
        match = pattern.match(text, position)
        position = match.end() if match else position

    def take(pattern: re.Pattern[str], what: str) -> None:
        nonlocal position
        match = pattern.match(text, position)
        if match is None:
            raise InvalidJson(_at(f"Expecting {what}", text, position))
        position = match.end()

    while True:
        # A value is due.
        is_deepest = len(open_brackets) == MAX_DEPTH
        if open_brackets and not is_deepest:
            skip(_RUNS[open_brackets[-1]])
        skip(_SPACES)
        opening = text[position : position + 1]
        if opening in _CLOSING and (is_deepest or _VALUE.match(text, position) is None):
            if is_deepest:
                raise InvalidJson(_at(f"nested deeper than {MAX_DEPTH} levels", text, position))
            open_brackets.append(opening)
            position += 1
            if opening == "{":
                take(_MEMBER, "property name enclosed in double quotes")
            continue
        take(_VALUE, "value")
        # A value has ended: close what ends with it, until another value is due or all is closed.
        while open_brackets:
            skip(_SPACES)
            character = text[position : position + 1]
            position += 1
            if character == ",":
                if open_brackets[-1] == "{":
                    take(_MEMBER, "property name enclosed in double quotes")
                break
            if character != _CLOSING[open_brackets[-1]]:
                raise InvalidJson(_at("Expecting ',' delimiter", text, position - 1))
            open_brackets.pop()
        else:
            skip(_SPACES)
            if position != len(text):
                raise InvalidJson(_at("Extra data", text, position))
            return
