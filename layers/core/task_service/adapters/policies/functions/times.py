"""Times, as Go reads and writes them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.patterns import Native
from task_service.adapters.policies.functions.text import integer, string

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_UNCLEAR: Final = re.compile(r"MST|[.,][09]|RFC1123$|RFC822$|RFC850$|UnixDate$|Kitchen|Stamp|Z0|_2006|__2|002|Layout")
_ZONED: Final = re.compile(r"-07|Z07|RFC|RubyDate")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Times:
    """The functions, over those of the engine."""

    def __init__(self, native: Native) -> None:
        self._native = native

    def parse_rfc3339(self, text: Any) -> Any:
        """The nanoseconds of a time."""
        if not _RFC3339.fullmatch(string(text)):
            raise Refused(f"{text[:60]!r} is not a time as RFC 3339 has it")
        return self._native("time.parse_rfc3339_ns", text)

    def parse(self, layout: Any, text: Any) -> Any:
        """The nanoseconds of a time in a layout."""
        if layout in ("2006-01-02T15:04:05Z07:00", "RFC3339"):
            return self.parse_rfc3339(text)
        if _UNCLEAR.search(string(layout)) or _ZONED.search(layout):
            raise Refused(f"the layout {layout[:60]!r} is not known here")
        nanoseconds = self._native("time.parse_ns", layout, string(text))
        # The engine reads more than Go does.
        if self._native("time.format", [nanoseconds, "UTC", layout]) != text:
            raise Refused(f"{text[:60]!r} is not what the layout says")
        return nanoseconds

    def format(self, value: Any) -> Any:
        """A time as a text, in RFC 3339 or a layout."""
        if isinstance(value, list) and len(value) == 3 and (value[2] == "" or _UNCLEAR.search(string(value[2]))):
            raise Refused(f"the layout {value[2][:60]!r} is not known here")
        return self._native("time.format", value)

    def add_date(self, nanoseconds: Any, years: Any, months: Any, days: Any) -> int:
        """A time so much later; days that a month has not are those of the next one."""
        seconds, rest = divmod(integer(nanoseconds), 10**9)
        try:
            start = _EPOCH + timedelta(seconds=seconds)
            year, month = divmod(start.year * 12 + start.month - 1 + integer(years) * 12 + integer(months), 12)
            first = start.replace(year=year, month=month + 1, day=1)
            moved = first + timedelta(days=start.day - 1 + integer(days))
        except (ValueError, OverflowError):
            raise Refused("the time is outside the valid range") from None
        result = (moved - _EPOCH) // timedelta(seconds=1) * 10**9 + rest
        if not -(2**63) <= result < 2**63:
            raise Refused("the time is outside the valid range")
        return result
