"""Texts, as Go's strings package treats them, where the engine does something else."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, unquote_to_bytes

from task_service.adapters.policies.faults import Refused

# Letters whose case has more than one letter in Unicode's full mapping, and their simple one, which Go uses.
_UPPER: Final = {"ß": "ß"}
_LOWER: Final = {"İ": "i"}
_SEMVER: Final = re.compile(
    r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})"
    r"(?:-((?:0|[1-9][0-9]{0,17}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]{0,17}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_NOT_SEMVER: Final = re.compile(r"[^.]*|[^.]*\.[^.]*|[^v0-9].*|.*[^0-9a-zA-Z.+-].*", re.DOTALL)
_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


def upper(text: Any) -> str:
    """The text in capitals, letter by letter."""
    return "".join(_letter(letter, _UPPER.get(letter) or letter.upper()) for letter in string(text))


def lower(text: Any) -> str:
    """The text in small letters, letter by letter."""
    return "".join(_letter(letter, _LOWER.get(letter) or letter.lower()) for letter in string(text))


def count(values: Any) -> int:
    """The number of members or letters."""
    if isinstance(values, str | list | dict | set):
        return len(values)
    raise Refused("count needs an array, an object, a set or a string")


def substring(text: Any, offset: Any, length: Any) -> str:
    """A part of a text; a negative length means up to its end."""
    start, size = integer(offset), integer(length)
    if start < 0:
        raise Refused("negative offset")
    return string(text)[start:] if size < 0 else string(text)[start : start + size]


def indexof(text: Any, part: Any) -> int:
    """The first place of the part; -1: it is nowhere."""
    return string(text).find(_part(part))


def indexof_n(text: Any, part: Any) -> list[int]:
    """Every place of the part."""
    where, found = string(text), list[int]()
    place = where.find(_part(part))
    while place >= 0:
        found.append(place)
        place = where.find(part, place + 1)
    return found


def occurrences(text: Any, part: Any) -> int:
    """The number of times that the part is in the text, without overlaps."""
    return string(text).count(string(part))


def replace(text: Any, old: Any, new: Any) -> str:
    """The text with a part exchanged everywhere."""
    return string(text).replace(_part(old), string(new))


def replace_n(parts: Any, text: Any) -> str:
    """The text with several parts exchanged, the first in order where several fit."""
    if not isinstance(parts, dict):
        raise Refused("strings.replace_n needs an object of strings")
    new: Mapping[str, str] = {_part(part): string(parts[part]) for part in sorted(parts)}
    if not new:
        return string(text)
    return re.sub("|".join(map(re.escape, new)), lambda match: new[match.group()], string(text))


def semver_is_valid(version: Any) -> bool:
    """Tell if a value is a semantic version."""
    if not isinstance(version, str):
        return False
    if _SEMVER.fullmatch(version):
        return True
    if _NOT_SEMVER.fullmatch(version):
        return False
    raise Refused(f"{version[:40]!r} is a version to some only")


def semver_compare(left: Any, right: Any) -> int:
    """Compare two versions: -1, 0 or 1."""
    one, other = _version(left), _version(right)
    return (one > other) - (one < other)


def query_encode(text: Any) -> str:
    """A text as a part of a URL's query."""
    return quote_plus(string(text), safe="~")


def query_decode(text: Any) -> str:
    """The text of a part of a URL's query."""
    if _ESCAPE.search(string(text)):
        raise Refused("invalid URL escape")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise Refused("what is escaped is not UTF-8") from None


def query_encode_object(values: Any) -> str:
    """An object as a URL's query."""
    if not isinstance(values, dict):
        raise Refused("urlquery.encode_object needs an object")
    pairs = list[str]()
    for name in sorted(values):
        value = values[name]
        texts = [value] if isinstance(value, str) else sorted(value) if isinstance(value, set) else value
        if not isinstance(texts, list):
            raise Refused("urlquery.encode_object needs strings, or arrays and sets of them")
        pairs += [f"{query_encode(name)}={query_encode(text)}" for text in texts]
    return "&".join(pairs)


def query_decode_object(text: Any) -> dict[str, list[str]]:
    """The object in a URL's query."""
    values = dict[str, list[str]]()
    for pair in string(text).split("&"):
        if ";" in pair:
            raise Refused("invalid semicolon separator in query")
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(query_decode(name), []).append(query_decode(value))
    return values


def string(value: Any) -> str:
    """The value, which has to be a string."""
    if isinstance(value, str):
        return value
    raise Refused("a string is needed here")


def integer(value: Any) -> int:
    """The value, which has to be an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Refused("an integer is needed here")


def _part(part: Any) -> str:
    if part == "":
        raise Refused("an empty string cannot be looked for")
    return string(part)


def _letter(letter: str, other: str) -> str:
    if len(other) != 1:
        raise Refused(f"the letter {letter!r} has no simple counterpart")
    return other


def _version(version: Any) -> tuple[object, ...]:
    match = _SEMVER.fullmatch(string(version))
    if match is None:
        raise Refused(f"{version[:40]!r} is not a semantic version")
    numbers, before = [int(match[place]) for place in (1, 2, 3)], match[4]
    # A version without a pre-release comes after those with one; there, numbers come before words.
    parts = before.split(".") if before else []
    words = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
    return (numbers, not before, words)
