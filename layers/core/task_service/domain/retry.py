"""Deciding what follows from an attempt. Pure: nothing here waits, draws or looks at a clock."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import Any, Final

from task_service.domain import json_text
from task_service.domain.call import Answered, CallRefused
from task_service.domain.template import RetryPolicy

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})
"""Beside 5xx, the statuses that say "later": timeout, too early, too many requests."""

MAX_RETRY_AFTER: Final = timedelta(hours=24)
"""A target that asks to be left alone for longer is not waited for."""

_EXCERPT: Final = 200
_HEADER: Final = 40
_FIRST_RANGE: Final = 1.0
"""Seconds from which the backoff doubles where the smallest delay is none."""
_A_YEAR: Final = timedelta(days=365)
_MOST_DIGITS: Final = 14
"""Of a Retry-After; numbers with more mean "never" just as well."""
_END_OF_DATE: Final = re.compile(
    r" (?:\d\d:\d\d(?::\d\d(?: +\d{4})?)?|GMT|UTC?|Z|[AECMP][SD]T|[+-]\d{4})$", re.IGNORECASE
)
"""A time without a zone, which is in UTC, and the year after it in asctime's form; or a zone that is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """The part of a decision that tells of the target."""

    response_code: int | None = None
    """HTTP status, where the target sent one."""
    redirects: int = 0
    """How many redirects the call followed."""
    final_origin: str | None = None
    """Scheme, host and port that they led to; None: there were none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done(_Seen):
    """The task ends well, with this result."""

    result: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed(_Seen):
    """The task fails, for this reason."""

    error: str
    logged: str | None = None
    """The part of the reason that is logged; None: all of it. What a target answers is never logged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry(_Seen):
    """The attempt failed; the next one is due after `delay`."""

    delay: timedelta
    error: str
    logged: str | None = None
    """As in `Failed`."""


Decision = Done | Failed | Retry
"""What follows from an attempt."""


def decide(
    outcome: Answered | CallRefused,
    *,
    attempt: int,
    policy: RetryPolicy,
    default_max_attempts: int,
    accept: tuple[str, ...],
    now: datetime,
    draw: float,
) -> Decision:
    """Decide what follows from `outcome` of attempt number `attempt`; `draw` is a random number in [0, 1)."""
    seen: dict[str, Any] = {
        "response_code": outcome.status if isinstance(outcome, Answered) else outcome.response_code,
        "redirects": outcome.redirects,
        "final_origin": outcome.final_origin,
    }
    if isinstance(outcome, Answered) and is_accepted(outcome.status, accept):
        return Done(result=outcome.result, **seen)
    if isinstance(outcome, Answered):
        seen["logged"] = f"the target answered {outcome.status}"
        reason, can_retry = f"{seen['logged']}: {_excerpt(outcome.result)}", is_retryable(outcome.status)
    else:
        reason, can_retry = outcome.reason, outcome.can_retry
    max_attempts = policy.max_attempts or default_max_attempts
    if not can_retry:
        return Failed(error=reason, **seen)
    if attempt >= max_attempts:
        return Failed(error=f"{reason} (attempt {attempt} of {max_attempts})", **seen)
    wait = retry_after(outcome.retry_after, now)
    if wait is not None and wait > MAX_RETRY_AFTER:
        asked = f"it answers Retry-After: {_short(outcome.retry_after or '')}"
        return Failed(error=f"{reason} ({asked}, at most {MAX_RETRY_AFTER.total_seconds():.0f} s are waited)", **seen)
    delay = backoff(attempt, policy, draw) + (wait or timedelta())
    return Retry(delay=delay, error=reason, **seen)


def backoff(attempt: int, policy: RetryPolicy, draw: float) -> timedelta:
    """Exponential backoff with jitter: from the smallest delay to twice, four times, … as much, up to the largest.

    Drawing from the whole range spreads the retries of many tasks best
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    least = policy.min_delay.total_seconds()
    # Doubling nothing would never become a delay. 2**32 of the smallest delay is beyond every maximum.
    range_ends = (least or _FIRST_RANGE) * 2 ** min(attempt, 32)
    bound = max(least, min(policy.max_delay.total_seconds(), range_ends))
    return timedelta(seconds=least + (bound - least) * draw)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After header asks to wait (RFC 9110, 10.2.3); None: it says nothing that can be understood.

    It is a number of seconds or a date. Some servers send a Unix time, in seconds or milliseconds: a number that is one
    within a year from now is taken for that, because no server means decades.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return _wait_of(text, now)
    date = _http_date(text)
    return None if date is None else max(date - now, timedelta())


def _wait_of(digits: str, now: datetime) -> timedelta:
    """The wait that a number means."""
    if len(digits) > _MOST_DIGITS:
        return timedelta.max
    for unit in (1, 1_000):
        until_then = timedelta(seconds=int(digits) / unit - now.timestamp())
        if abs(until_then) < _A_YEAR:
            return max(until_then, timedelta())
    return timedelta(seconds=int(digits))


def _http_date(text: str) -> datetime | None:
    """The moment of a date in one of HTTP's forms (RFC 9110, 5.6.7); None: it is none, or of an unknown time zone."""
    # The parser takes an unknown zone for UTC.
    parts = parsedate_tz(text) if _END_OF_DATE.search(text) else None
    if parts is None:
        return None
    try:
        return datetime(*parts[:6], tzinfo=timezone(timedelta(seconds=parts[9] or 0)))
    except (ValueError, OverflowError):
        return None


def is_retryable(status: int) -> bool:
    """Whether a later attempt may be answered differently."""
    return status in RETRYABLE_STATUSES or 500 <= status <= 599


def is_accepted(status: int, accept: tuple[str, ...]) -> bool:
    """Whether `status` finishes the task well."""
    if not accept:
        return not is_retryable(status)
    return any(pattern in ("*", str(status), f"{status // 100}xx") for pattern in accept)


def _short(header: str) -> str:
    return header if len(header) <= _HEADER else f"{header[:_HEADER]}…"


def _excerpt(result: str) -> str:
    return result if len(result) <= _EXCERPT else f"{result[:_EXCERPT]}… ({json_text.size(result)} bytes)"
