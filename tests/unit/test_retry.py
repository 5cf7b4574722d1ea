"""What follows from an attempt, decided without a clock or a network."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.domain.call import Answered, CallRefused
from task_service.domain.retry import Decision, Done, Failed, Retry, backoff, decide, retry_after
from task_service.domain.template import RetryPolicy

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, min_delay=timedelta(seconds=2), max_delay=timedelta(seconds=60))


def after(
    outcome: Answered | CallRefused,
    *,
    attempt: int = 1,
    policy: RetryPolicy = POLICY,
    accept: tuple[str, ...] = (),
    draw: float = 0.5,
) -> Decision:
    return decide(outcome, attempt=attempt, policy=policy, default_max_attempts=11, accept=accept, now=NOW, draw=draw)


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 401, 404, 409, 422])
def test_an_answer_finishes_the_task_and_keeps_its_status(status: int) -> None:
    assert after(Answered(status=status, result="{}")) == Done(result="{}", response_code=status)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_an_answer_that_says_later_is_retried(status: int) -> None:
    decision = after(Answered(status=status, result='"busy"'))
    assert decision == Retry(
        delay=timedelta(seconds=3),
        error=f'the target answered {status}: "busy"',
        logged=f"the target answered {status}",
        response_code=status,
    )


@pytest.mark.parametrize(
    ("accept", "status", "expected"),
    [
        (("*",), 500, Done),
        (("5xx",), 503, Done),
        (("503",), 503, Done),
        (("503",), 500, Retry),
        (("2xx",), 404, Failed),
        (("200", "404"), 404, Done),
        (("2xx",), 429, Retry),
    ],
)
def test_accept_status_decides_what_finishes_a_task(
    accept: tuple[str, ...], status: int, expected: type[Decision]
) -> None:
    assert isinstance(after(Answered(status=status, result="1"), accept=accept), expected)


def test_the_last_attempt_fails_and_says_so() -> None:
    decision = after(Answered(status=500, result='"oops"'), attempt=3)
    assert decision == Failed(
        error='the target answered 500: "oops" (attempt 3 of 3)', logged="the target answered 500", response_code=500
    )


def test_a_template_without_a_maximum_gets_the_deployments() -> None:
    policy = RetryPolicy()
    outcome = Answered(status=500, result="1")
    assert isinstance(after(outcome, attempt=10, policy=policy), Retry)
    assert isinstance(after(outcome, attempt=11, policy=policy), Failed)


def test_what_no_retry_can_mend_fails_at_once() -> None:
    assert after(CallRefused(reason="not valid", can_retry=False)) == Failed(error="not valid")


def test_a_connection_that_failed_is_retried() -> None:
    assert isinstance(after(CallRefused(reason="reset", can_retry=True)), Retry)


def test_a_long_answer_is_told_in_part() -> None:
    decision = after(Answered(status=500, result='"' + "x" * 5_000 + '"'))
    assert isinstance(decision, Retry)
    assert decision.error.endswith("… (5002 bytes)")
    assert len(decision.error) < 300


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 12:01:30 -0000", 90),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: int) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "٣", "Thu, 99 Jan 2026", f"Thu, 01 Jan {10**20} 00:00:00 GMT"]
)
def test_a_retry_after_that_says_nothing_is_ignored(header: str | None) -> None:
    assert retry_after(header, NOW) is None


def test_retry_after_is_obeyed_on_top_of_the_jitter() -> None:
    decision = after(Answered(status=429, result="1", retry_after="120"), draw=0.25)
    assert isinstance(decision, Retry)
    assert decision.delay == timedelta(seconds=122.5)


@pytest.mark.parametrize("header", ["86401", "9" * 30])
def test_a_target_that_asks_to_wait_for_days_is_not_waited_for(header: str) -> None:
    decision = after(Answered(status=503, result="1", retry_after=header))
    assert isinstance(decision, Failed)
    assert "at most 86400 s are waited" in decision.error


@given(
    attempt=st.integers(1, 10_000),
    least=st.floats(0, 86_400),
    most=st.floats(0, 86_400),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_backoff_stays_between_the_least_and_the_most(attempt: int, least: float, most: float, draw: float) -> None:
    policy = RetryPolicy(min_delay=timedelta(seconds=least), max_delay=timedelta(seconds=most))
    assert policy.min_delay <= backoff(attempt, policy, draw) <= max(policy.min_delay, policy.max_delay)


def test_backoff_doubles() -> None:
    bounds = [backoff(attempt, POLICY, 1.0).total_seconds() for attempt in (1, 2, 3, 4, 5, 6, 7)]
    assert bounds == [4, 8, 16, 32, 60, 60, 60]
