"""Times and durations, as people write them on the command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from taskctl.errors import WrongUse
from taskctl.hostile import plain

_DURATION: Final = re.compile(r"(\d{1,8})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_ago(option: str, text: str | None) -> str | None:
    """A time, or so long ago, as the API takes it (RFC 3339). Raises WrongUse."""
    if text is None:
        return None
    try:
        if found := _DURATION.fullmatch(text):
            return rfc3339(datetime.now(UTC) - _duration(found))
        return rfc3339(_moment(text))
    except (ValueError, OverflowError):
        raise WrongUse(
            f"--{option} {plain(text)} is no time", "write 2026-01-31T12:00:00Z, or 30m, 2h, 7d for so long ago"
        ) from None


def moment(option: str, text: str | None) -> str | None:
    """A time, as the API takes it (RFC 3339). Raises WrongUse."""
    if text is None:
        return None
    try:
        return rfc3339(_moment(text))
    except (ValueError, OverflowError):
        raise WrongUse(f"--{option} {plain(text)} is no time", "write one such as 2026-01-31T12:00:00Z") from None


def seconds(option: str, text: str | None) -> str | None:
    """The seconds of a duration. Raises WrongUse."""
    if text is None:
        return None
    if found := _DURATION.fullmatch(text):
        return str(int(_duration(found).total_seconds()))
    raise WrongUse(f"--{option} {plain(text)} is no duration", "write 90s, 30m, 2h or 7d")


def rfc3339(found: datetime) -> str:
    """A time as the API writes it."""
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _duration(found: re.Match[str]) -> timedelta:
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _moment(text: str) -> datetime:
    # A time without a zone is one of this machine.
    return datetime.fromisoformat(text).astimezone(UTC)
