"""Deciding what follows from an attempt. Pure: nothing here waits, draws or looks at a clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from task_service.domain import json_text
from task_service.domain.call import Answered, CallRefused
from task_service.domain.template import RetryPolicy

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})
"""Beside 5xx, the statuses that say "later": timeout, too early, too many requests."""

MAX_RETRY_AFTER: Final = timedelta(hours=24)
"""A target that asks to be left alone for longer is not waited for."""

_EXCERPT: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The task ends well, with this result."""

    result: str
    response_code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The task fails, for this reason."""

    error: str
    logged: str | None = None
    """The part of the reason that is logged; None: all of it. What a target answers is never logged."""
    response_code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """The attempt failed; the next one is due after `delay`."""

    delay: timedelta
    error: str
    logged: str | None = None
    """As in `Failed`."""
    response_code: int | None = None


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
    """What follows from `outcome` of attempt number `attempt`; `draw` is a random number in [0, 1)."""
    if isinstance(outcome, Answered) and is_accepted(outcome.status, accept):
        return Done(result=outcome.result, response_code=outcome.status)
    code: int | None
    logged: str | None = None
    if isinstance(outcome, Answered):
        logged = f"the target answered {outcome.status}"
        reason = f"{logged}: {_excerpt(outcome.result)}"
        can_retry, code = is_retryable(outcome.status), outcome.status
        wait = retry_after(outcome.retry_after, now)
    else:
        reason, can_retry, code, wait = outcome.reason, outcome.can_retry, outcome.response_code, None
    max_attempts = policy.max_attempts or default_max_attempts
    if not can_retry:
        return Failed(error=reason, logged=logged, response_code=code)
    if attempt >= max_attempts:
        return Failed(error=f"{reason} (attempt {attempt} of {max_attempts})", logged=logged, response_code=code)
    if wait is not None and wait > MAX_RETRY_AFTER:
        longest = f"{MAX_RETRY_AFTER.total_seconds():.0f} s"
        return Failed(
            error=f"{reason} (it asks to wait {wait.total_seconds():.0f} s, at most {longest} are waited)",
            logged=logged,
            response_code=code,
        )
    delay = backoff(attempt, policy, draw) + (wait or timedelta())
    return Retry(delay=delay, error=reason, logged=logged, response_code=code)


def backoff(attempt: int, policy: RetryPolicy, draw: float) -> timedelta:
    """Exponential backoff with jitter: from the smallest delay to twice, four times, … as much, up to the largest.

    Drawing from the whole range spreads the retries of many tasks best
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    least = policy.min_delay.total_seconds()
    # 2**32 of the smallest delay is beyond every maximum; larger powers would only overflow.
    bound = max(least, min(policy.max_delay.total_seconds(), least * 2 ** min(attempt, 32)))
    return timedelta(seconds=least + (bound - least) * draw)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After header asks to wait: seconds or a date (RFC 9110, 10.2.3); None: it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # More digits than a century has seconds mean "never" just as well.
        return timedelta(seconds=int(text)) if len(text) < 10 else timedelta.max
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(date - now, timedelta())


def is_retryable(status: int) -> bool:
    """Whether a later attempt may be answered differently."""
    return status in RETRYABLE_STATUSES or 500 <= status <= 599


def is_accepted(status: int, accept: tuple[str, ...]) -> bool:
    """Whether `status` finishes the task well."""
    if not accept:
        return not is_retryable(status)
    return any(pattern in ("*", str(status), f"{status // 100}xx") for pattern in accept)


def _excerpt(result: str) -> str:
    return result if len(result) <= _EXCERPT else f"{result[:_EXCERPT]}… ({json_text.size(result)} bytes)"
