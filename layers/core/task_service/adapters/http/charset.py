"""The text of an answer: in the charset that it declares, else in the one that it shows.

A mark at the beginning of a text counts first, then what the answer declares; the first bytes of a JSON text tell which
form of Unicode it is in (RFC 4627, 3). JSON is an exception, because a charset means nothing for it (RFC 8259, 8.1 and
11): JSON that can be read as Unicode is Unicode. Only a charset that writes other letters with ASCII bytes is believed.
"""

import codecs
import json
import re
from contextlib import suppress
from typing import Final

_CHARSET: Final = re.compile(r";[ \t]*charset[ \t]*=[ \t]*(?:\"([^\"]*)\"|'([^']*)'|([^;\s]*))", re.IGNORECASE)
_JSON: Final = re.compile(r"[ \t]*application/(?:[^;]*\+)?json[ \t]*(?:;|$)", re.IGNORECASE)
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE)
"""Byte order marks; that of UTF-32-LE begins like the one of UTF-16-LE."""

_NOT_FOR_TEXT: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python's own (https://docs.python.org/3/library/codecs.html#text-encodings) that no target means, some of
them very slow."""
_OF_ASCII: Final = re.compile(r"iso2022.*|utf-7|hz")
"""Charsets, by Python's names, whose bytes can all be read as ASCII."""


def text_of(body: bytes, content_type: str) -> str:
    """The text of a body; what cannot be read is replaced (U+FFFD)."""
    label = _label(content_type)
    declared = _codec(label)
    guessed = json.detect_encoding(body)
    is_unicode_first = (
        body.startswith(_MARKS)
        or (declared == "utf-16" and guessed.startswith("utf-16"))
        or (_JSON.match(content_type) is not None and not (declared and _OF_ASCII.fullmatch(declared)))
    )
    for charset in filter(None, (guessed, declared) if is_unicode_first else (declared, guessed)):
        with suppress(ValueError):
            return _storable(body.decode(charset))
    is_old_text = not label and content_type.lstrip().lower().startswith("text/")
    with suppress(ValueError):
        return _storable(body.decode(declared or ("iso8859-1" if is_old_text else "utf-8"), errors="replace"))
    # Some codecs cannot replace what they cannot read.
    return body.decode("utf-8", errors="replace")


def _label(content_type: str) -> str:
    """The charset as it is declared; empty where none is."""
    found = _CHARSET.search(content_type)
    return next(filter(None, found.groups()), "") if found else ""


def _codec(label: str) -> str | None:
    """Python's name of a charset; None: Python does not know it, or its codec does not make text."""
    with suppress(LookupError, ValueError):
        name = codecs.lookup(label).name
        # Codecs from bytes to bytes refuse to encode a text.
        "".encode(name)
        return None if name in _NOT_FOR_TEXT else name
    return None


def _storable(text: str) -> str:
    """The text, without the surrogates that some codecs leave, which are in no text that can be stored."""
    return text.encode("utf-8", "replace").decode()
