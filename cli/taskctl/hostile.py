"""Texts of the service and of files, made harmless for a terminal.

A task's target chooses its result and its error, a client chooses names: any of them can hold escape sequences.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

_DANGEROUS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of characters that terminals act on, or that change how others are shown."""

_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def plain(text: object) -> str:
    """The text in one line, with every character that a terminal could act on written as an escape."""
    return _replaced(str(text), _escaped)


def brief(text: str, longest: int = 255) -> str:
    """The same of the text's beginning."""
    return plain(text if len(text) <= longest else f"{text[:longest]}…")


def plain_lines(text: str) -> str:
    """The same for a text of many lines, whose line ends stay."""
    return "\n".join(plain(line.expandtabs(4)) for line in text.split("\n"))


def plain_json(text: str) -> str:
    """A JSON text that means the same, without a character that a terminal could act on."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join(_replaced(line, _json_escaped) for line in lines)


def dump(value: Any, *, indent: int | None = 2) -> str:
    """The JSON text of a value, harmless for a terminal."""
    return plain_json(json.dumps(value, ensure_ascii=False, indent=indent))


def without_credentials(url: str) -> str:
    """A URL without the user and password in it."""
    return re.sub(r"//[^/@\s]*@", "//***@", url)


def _replaced(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        escape(character) if unicodedata.category(character) in _DANGEROUS else character for character in text
    )


def _escaped(character: str) -> str:
    if named := _NAMED.get(character):
        return named
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escaped(character: str) -> str:
    if ord(character) < 0x10000:
        return f"\\u{ord(character):04x}"
    high, low = divmod(ord(character) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
