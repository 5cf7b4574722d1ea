"""Headers that the service can send exactly as they are written (RFC 9110, 5)."""

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_WEIGHT_OF_NONE: Final = re.compile(r"\s*q\s*=\s*0(?:\.0*)?\s*")

CODINGS: Final = ("gzip", "x-gzip", "deflate", "identity")
"""Content codings of an answer that the service can decode (RFC 9110, 8.4.1)."""


def faults(headers: Mapping[str, str]) -> list[str]:
    """The faults of headers that cannot be sent, one sentence for each."""
    found: list[str] = []
    seen: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() in seen:
            found.append(f"{seen[name.lower()]} and {name} are one header, because case does not count in names")
        seen[name.lower()] = name
        if _NAME.fullmatch(name) is None:
            found.append(f"{name!r} is not a header name; letters, digits and !#$%&'*+-.^_`|~ are allowed")
        elif _NOT_IN_A_VALUE.search(value):
            found.append(f"{name}: characters of ISO 8859-1 without control characters are allowed")
        elif value != value.strip(" \t"):
            found.append(f"{name}: spaces and tabs are not sent at the ends of a value")
    return found


def coding_fault(accept_encoding: str) -> str | None:
    """The fault of an Accept-Encoding header: an answer that the service cannot decode would fail the task."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        is_refused = _WEIGHT_OF_NONE.fullmatch(weight) is not None
        if coding.strip() and coding.strip() not in CODINGS and not is_refused:
            return f"{coding.strip()!r} cannot be decoded; {', '.join(CODINGS)} are allowed"
    return None
