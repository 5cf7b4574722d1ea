"""The header Prefer (RFC 7240): the seconds that a client wants to wait. What is not understood is ignored."""

import re
from typing import Final

from task_service.usecases.wait import MAX_WAIT

_LONGEST: Final = 1_000
"""Longer headers are not read: the time that open quotes take grows with the square of the length."""

_SPACE: Final = r"[ \t]*+"
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_PARAMETER: Final = rf"{_TOKEN}(?:{_SPACE}={_SPACE}(?:{_TOKEN}|{_QUOTED}))?+"

_ELEMENT: Final = re.compile(rf'((?:{_QUOTED}|[^,"])*+)(,|"|$)')
_PREFERENCE: Final = re.compile(
    rf"{_SPACE}(?P<name>{_TOKEN})(?:{_SPACE}={_SPACE}(?P<value>{_TOKEN}|{_QUOTED}))?+"
    rf"(?:{_SPACE};{_SPACE}(?:{_PARAMETER})?+)*+{_SPACE}"
)


def wait_seconds(prefer: str) -> int:
    """The whole seconds, up to MAX_WAIT, that a Prefer header asks to wait; 0 if it does not ask to wait."""
    if len(prefer) > _LONGEST:
        return 0
    for text, end in _ELEMENT.findall(prefer):
        if end == '"':
            # A quote that is never closed: there is no telling where the next preference begins.
            return 0
        preference = _PREFERENCE.fullmatch(text)
        if preference is not None and preference["name"].lower() == "wait":
            # If a preference is repeated, the first one counts.
            return _seconds(preference["value"] or "")
    return 0


def _seconds(value: str) -> int:
    """The number in a value, at most MAX_WAIT; 0 if it is not a number."""
    digits = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    if not (digits.isascii() and digits.isdigit()):
        return 0
    most = int(MAX_WAIT.total_seconds())
    significant = digits.lstrip("0") or "0"
    # A number of so many digits is more than MAX_WAIT.
    return most if len(significant) > 9 else min(int(significant), most)
