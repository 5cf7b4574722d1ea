"""Regular expressions and globs: Go's (RE2), put into the engine's words.

Both engines take time in proportion to the text. Their classes differ: Go's \\d, \\w, \\s and \\b know ASCII only. What
both do not read alike is refused.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.text import integer, string

Native = Callable[..., Any]
"""Calls a function of the engine's by its name."""

_CLASSES: Final = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_BOUNDS: Final = {"b": r"(?-u:\b)", "A": r"\A", "z": r"\z"}
_ESCAPED: Final = frozenset(r"\.+*?()|[]{}^$-/_!\"#%&',:;<=>@`~ ") - {"_", "<", ">", " ", '"', "'", "`"}
_SIGNS: Final = frozenset("aftnrv")
_REPEAT: Final = re.compile(r"\{([0-9]{1,4})(,([0-9]{0,4}))?\}")
_GROUP: Final = re.compile(r"\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|[ims]*(?:-[ims]+)?[:)])")
_PROPERTY: Final = re.compile(r"[pP](?:[LMNPSZC]|\{(?:[LMNPSZC][a-z]?|Greek|Latin|Cyrillic|Han|Arabic|Hebrew)\})")
_POSIX: Final = re.compile(
    r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
)
_HEX: Final = re.compile(r"x(?:[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,6}\})")
_LISTED: Final = re.compile(r"(!?)([A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9]+)\]")
_REPLACED: Final = re.compile(r"\$(?:\$|[0-9]+(?![0-9A-Za-z_])|\{[0-9A-Za-z_]+\})")


class Patterns:
    """The functions, over those of the engine."""

    def __init__(self, native: Native) -> None:
        self._native = native

    def match(self, pattern: Any, text: Any) -> Any:
        """Tell if the pattern is in the text."""
        return self._native("regex.match", translate(string(pattern)), string(text))

    def is_valid(self, pattern: Any) -> Any:
        """Tell if a value is a regular expression."""
        return isinstance(pattern, str) and self._native("regex.is_valid", translate(pattern))

    def find_n(self, pattern: Any, text: Any, limit: Any) -> Any:
        """The first matches."""
        return self._native("regex.find_n", translate(string(pattern)), string(text), integer(limit))

    def find_submatches(self, pattern: Any, text: Any, limit: Any) -> Any:
        """The first matches with their groups."""
        found = translate(string(pattern))
        return self._native("regex.find_all_string_submatch_n", found, string(text), integer(limit))

    def split(self, pattern: Any, text: Any) -> Any:
        """The text between the matches."""
        if "" in self.find_n(pattern, text, -1):
            raise Refused("the pattern may not match where nothing is")
        return self._native("regex.split", translate(pattern), text)

    def replace(self, text: Any, pattern: Any, replacement: Any) -> Any:
        """The text with every match exchanged."""
        if "$" in _REPLACED.sub("", string(replacement)):
            raise Refused("groups are written $1 or ${name}, a dollar is written $$")
        return self._native("regex.replace", string(text), translate(string(pattern)), replacement)

    def glob(self, pattern: Any, separators: Any, text: Any) -> Any:
        """Tell if a text matches a glob; without separators, the dot is one."""
        if separators is not None and not isinstance(separators, list):
            raise Refused("the separators are an array or null")
        signs = [string(sign) for sign in ([] if separators is None else separators or ["."])]
        if any(len(sign) != 1 for sign in signs):
            raise Refused("a separator is one letter")
        if text == "" and "[!" in string(pattern):
            raise Refused("an empty text and a list of other letters are not known here")
        return self._native("regex.match", translate_glob(string(pattern), tuple(signs)), string(text))


@lru_cache(maxsize=500)
def translate(pattern: str) -> str:
    """The pattern for the engine. Raises Refused."""
    parts, place = list[str](), 0
    while place < len(pattern):
        part, place = _next(pattern, place)
        parts.append(part)
    return "".join(parts)


def _next(pattern: str, place: int) -> tuple[str, int]:
    sign = pattern[place]
    if sign == "\\":
        return _escape(pattern, place + 1, inside=False)
    if sign == "[":
        return _class(pattern, place + 1)
    if sign == "(" and pattern[place + 1 : place + 2] == "?":
        return _all(_GROUP, pattern, place + 1, "(")
    if sign == "{":
        repeated = _REPEAT.match(pattern, place)
        if repeated is None or max(int(number or 0) for number in (repeated[1], repeated[3])) > 1000:
            raise _refused(pattern)
        return _repeat(pattern, repeated.group(), repeated.end())
    if sign in "*+?":
        return _repeat(pattern, sign, place + 1)
    return (f"\\{sign}" if sign in "]}" else sign), place + 1


def _repeat(pattern: str, text: str, place: int) -> tuple[str, int]:
    """A repetition, which another one may not follow."""
    if pattern[place : place + 1] == "?":
        text, place = text + "?", place + 1
    if pattern[place : place + 1] in ("*", "+", "?", "{"):
        raise _refused(pattern)
    return text, place


def _escape(pattern: str, place: int, *, inside: bool) -> tuple[str, int]:
    sign = pattern[place : place + 1]
    if sign and sign.lower() in _CLASSES:
        members = _CLASSES[sign.lower()]
        if sign.islower():
            return (members if inside else f"[{members}]"), place + 1
        return f"[^{members}]", place + 1
    if not inside and sign in _BOUNDS:
        if pattern[place + 1 : place + 2] == "{":
            raise _refused(pattern)
        return _BOUNDS[sign], place + 1
    if sign in ("p", "P"):
        return _all(_PROPERTY, pattern, place, "\\")
    if sign == "x":
        return _all(_HEX, pattern, place, "\\")
    if sign and (sign in _ESCAPED or sign in _SIGNS):
        return f"\\{sign}", place + 1
    raise _refused(pattern)


def _class(pattern: str, place: int) -> tuple[str, int]:
    parts = ["["]
    if pattern[place : place + 1] == "^":
        parts.append("^")
        place += 1
    start = place
    while pattern[place : place + 1] != "]" or place == start:
        member, place, is_letter = _member(pattern, place)
        parts.append(member)
        if pattern[place : place + 1] == "-" and pattern[place + 1 : place + 2] != "]":
            last, place, ends_range = _member(pattern, place + 1)
            if not (is_letter and ends_range):
                raise _refused(pattern)
            parts.append(f"-{last}")
    return "".join([*parts, "]"]), place + 1


def _member(pattern: str, place: int) -> tuple[str, int, bool]:
    """A member of a class, and whether it is one letter."""
    sign = pattern[place : place + 1]
    if sign == "\\":
        part, after = _escape(pattern, place + 1, inside=True)
        return part, after, len(part) == 2
    if sign == "[" and pattern[place + 1 : place + 2] == ":":
        return *_all(_POSIX, pattern, place, ""), False
    if not sign:
        raise _refused(pattern)
    return (f"\\{sign}" if sign in "[]&~-^" else sign), place + 1, True


def _all(allowed: re.Pattern[str], pattern: str, place: int, before: str) -> tuple[str, int]:
    match = allowed.match(pattern, place)
    if match is None:
        raise _refused(pattern)
    return before + match.group(), match.end()


def _refused(pattern: str) -> Refused:
    return Refused(f"the regular expression {pattern[:60]!r} has something that is not known here")


@lru_cache(maxsize=500)
def translate_glob(pattern: str, separators: Sequence[str]) -> str:
    """The regular expression of a glob. Raises Refused."""
    other = "[^" + "".join(rf"\x{{{ord(sign):x}}}" for sign in separators) + "]" if separators else "."
    parts, place, depth = list[str](), 0, 0
    while place < len(pattern):
        sign, place = pattern[place], place + 1
        if sign == "*":
            stars = 1
            while pattern[place : place + 1] == "*":
                stars, place = stars + 1, place + 1
            if stars > 2:
                raise Refused(f"{pattern[:60]!r} has too many stars in a row")
            if stars == 2 and pattern[place - 3 : place - 2] == pattern[place : place + 1] != "":
                raise Refused(f"{pattern[:60]!r} has two stars between two of the same")
            parts.append(".*" if stars == 2 else f"{other}*")
        elif sign == "{" and not depth:
            depth = 1
            parts.append("(?:")
        elif sign == "}" and depth:
            depth = 0
            parts.append(")")
        elif sign == "," and depth:
            parts.append("|")
        elif sign == "[":
            listed = _LISTED.match(pattern, place)
            if listed is None:
                raise Refused(f"{pattern[:60]!r} has brackets with something that is not known here")
            parts.append(f"[{'^' if listed[1] else ''}{listed[2]}]")
            place = listed.end()
        elif sign in "?]{}!\\" or (sign == "," and not depth):
            raise Refused(f"{pattern[:60]!r} has {sign!r}, which is not known here")
        else:
            parts.append(f"\\{sign}" if sign in ".+()|^$" else sign)
    if depth:
        raise Refused(f"{pattern[:60]!r} has an open brace")
    return f"(?s)^(?:{''.join(parts)})$"
