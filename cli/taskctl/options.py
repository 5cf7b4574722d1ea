"""Options of several commands, and the values of options, checked before anything is sent."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from taskctl.errors import WrongUse
from taskctl.hostile import plain

Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Seconds after which taskctl stops waiting (exit code 7).")
]
Name = Annotated[str | None, typer.Option(help="The name of the template.")]
Since = Annotated[str | None, typer.Option(help="Created then or later: 2026-01-31T12:00:00Z, or 30m, 2h, 7d ago.")]
Until = Annotated[str | None, typer.Option(help="Created before that time, written in the same way.")]
TraceParent = Annotated[
    str | None,
    typer.Option("--traceparent", help="The trace it belongs to (W3C Trace Context): 00-<trace id>-<span id>-01."),
]

LONGEST_GROUP: Final = 128
LONGEST_KEY: Final = 255

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_DURATION: Final = re.compile(r"(\d{1,8})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def visible(option: str, text: str | None, longest: int) -> str | None:
    """A text of visible ASCII characters. Raises WrongUse."""
    if text is None or re.fullmatch(f"[!-~]{{1,{longest}}}", text):
        return text
    raise WrongUse(f"--{option} {plain(text)!r} cannot be used", f"write 1 to {longest} visible ASCII characters")


def traceparent(text: str | None) -> str | None:
    """A traceparent; the service ignores one that is not valid. Raises WrongUse."""
    if text is None or _TRACEPARENT.fullmatch(text):
        return text
    raise WrongUse(
        f"--traceparent {plain(text)} is none",
        "write one such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


def moment(option: str, text: str | None, *, or_ago: bool = False) -> str | None:
    """A time, or with `or_ago` so long ago, as the API takes it (RFC 3339). Raises WrongUse."""
    if text is None:
        return None
    try:
        if or_ago and (found := _DURATION.fullmatch(text)):
            return rfc3339(datetime.now(UTC) - _duration(found))
        return rfc3339(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        forms = "2026-01-31T12:00:00Z, or 30m, 2h, 7d for so long ago" if or_ago else "one such as 2026-01-31T12:00:00Z"
        raise WrongUse(f"--{option} {plain(text)} is no time", f"write {forms}") from None


def seconds(option: str, text: str | None) -> str | None:
    """The seconds of a duration. Raises WrongUse."""
    if text is None:
        return None
    if found := _DURATION.fullmatch(text):
        return str(int(_duration(found).total_seconds()))
    raise WrongUse(f"--{option} {plain(text)} is no duration", "write 90s, 30m, 2h or 7d")


def rfc3339(found: datetime) -> str:
    """A time as the API writes it; one without a zone is one of this machine."""
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _duration(found: re.Match[str]) -> timedelta:
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
