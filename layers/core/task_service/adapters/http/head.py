"""The head of an answer: its status line and its header lines (RFC 9112, 4 and 5).

A line that is none is skipped, and the lines after it count. Where such a line would have said how long the body is or
how it is coded, the answer is refused: read without it, it could only be wrong.
"""

import re
from dataclasses import dataclass
from typing import Final

from task_service.adapters.http.stream import Stream
from task_service.domain.call import CallRefused

BROKEN: Final = "the target's answer broke off or is not valid HTTP"

MAX_LINES: Final = 500
MAX_BYTES: Final = 256 * 1024
"""Of all lines together; also of a single one."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.(\d)[ \t]+(\d{3})(?:[ \t][^\n]*)?\r?\n")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE: Final = re.compile(rb"[\r\n\0]+")
_NEEDED: Final = (b"content-length", b"transfer-encoding", b"content-encoding")


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The head of a final answer."""

    minor: int
    """The second digit of its version of HTTP: 0 or 1."""
    status: int
    fields: tuple[tuple[str, str], ...]
    """Names in lower case and values, in the order in which they came; one character for each byte (ISO 8859-1)."""
    fault: str | None = None
    """Why its body cannot be read; None: it can."""

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for field, value in self.fields if field == name]

    def first(self, name: str) -> str | None:
        """The first value of a header; None: there is none."""
        return next(iter(self.all(name)), None)

    def items(self, name: str) -> list[str]:
        """The elements of a header that is a list, in lower case (RFC 9110, 5.6.1)."""
        parts = [part.strip(" \t").lower() for value in self.all(name) for part in value.split(",")]
        return [part for part in parts if part]


def read_head(stream: Stream) -> Head:
    """The head of the final answer; interim answers before it are skipped. Raises CallRefused."""
    while True:
        head = _read_one(stream)
        if head.status >= 200:
            return head


def _read_one(stream: Stream) -> Head:
    line = stream.read_line(MAX_BYTES)
    found = _STATUS_LINE.fullmatch(line)
    if not line:
        # Why the request could not be sent says more.
        raise stream.cut_off or ConnectionAbortedError("the connection ended before the answer")
    if found is None:
        raise _too_large(0) if len(line) == MAX_BYTES else CallRefused(BROKEN, can_retry=True)
    status = int(found[2])
    fields, fault = _fields(_lines(stream, MAX_BYTES - len(line)))
    return Head(minor=int(found[1]), status=status, fields=fields, fault=fault)


def _lines(stream: Stream, most: int) -> list[bytes]:
    """The header lines, without the empty one that ends them."""
    lines: list[bytes] = []
    while True:
        line = stream.read_line(most)
        most -= len(line)
        if not line.endswith(b"\n"):
            raise CallRefused(BROKEN, can_retry=True) if most > 0 else _too_large(len(lines))
        if line in (b"\r\n", b"\n"):
            return lines
        if len(lines) == MAX_LINES or most == 0:
            raise _too_large(len(lines))
        lines.append(line)


def _too_large(lines: int) -> CallRefused:
    what = f"has more than {MAX_LINES} lines" if lines == MAX_LINES else f"is larger than {MAX_BYTES} bytes"
    return CallRefused(f"the header of the target's answer {what}", can_retry=False)


def _fields(lines: list[bytes]) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """The fields of header lines, and why the body cannot be read without one that was skipped."""
    fields: list[tuple[str, str]] = []
    fault: str | None = None
    skipped = True
    for line in lines:
        if line[0] in b" \t":
            # The obsolete way to continue a line (RFC 9112, 5.2).
            if not skipped:
                name, begun = fields[-1]
                fields[-1] = (name, f"{begun} {_value(line)}".strip())
            continue
        raw_name, colon, value = line.partition(b":")
        # White space before the colon is no part of the name (RFC 9112, 5.1).
        raw_name = raw_name.rstrip(b" \t")
        skipped = not colon or _NAME.fullmatch(raw_name) is None
        if not skipped:
            fields.append((raw_name.decode("ascii").lower(), _value(value)))
        elif any(needed in raw_name.lower() for needed in _NEEDED):
            fault = "the target's answer has a malformed header line about its length or coding"
    return tuple(fields), fault


def _value(raw: bytes) -> str:
    return _NOT_IN_A_VALUE.sub(b" ", raw).strip(b" \t").decode("latin-1")
