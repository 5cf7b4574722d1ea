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
        ("Thu, 01 Jan 2026 12:01:30 UTC", 90),
        ("Thu, 01 Jan 2026 13:01:30 +0100", 90),
        ("Thu, 01 Jan 2026 07:01:30 EST", 90),
        ("Thursday, 01-Jan-26 12:01:30 GMT", 90),
        ("Thu Jan  1 12:01:30 2026", 90),
        ("Thu, 01 Jan 2026 12:01:30", 90),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: int) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "soon", "-5", "1.5", "1_0", "+5", "0x10", "٣", "5, 10", "5 s"),
        *("Thu, 99 Jan 2026", f"Thu, 01 Jan {10**20} 00:00:00 GMT", "Thu, 01 Jan 2026 25:00:00 GMT", "2026-01-01"),
        # Of zones that are unknown, or written in no way that HTTP or mail has.
        *("Thu, 01 Jan 2026 12:01:30 CET", "Thu, 01 Jan 2026 12:01:30 XYZ", "Thu, 01 Jan 2026 12:01:30 JST"),
        *("Thu, 01 Jan 2026 12:01:30 GMT+2", "Thu, 01 Jan 2026 12:01:30 +02:00", "Thu, 01 Jan 2026 12:01:30 (CET)"),
        *("Thu, 01 Jan 2026 12:01:30 Europe/Berlin", "Thu Jan  1 12:01:30 CEST 2026", "Thu, 01 Jan 2026 12:01:30 A"),
    ],
)
def test_a_retry_after_that_says_nothing_is_ignored(header: str | None) -> None:
    assert retry_after(header, NOW) is None


UNIX = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (str(UNIX + 90), 90),
        (str(UNIX), 0),
        (str(UNIX - 5), 0),
        (str(UNIX - 86_400), 0),
        (str((UNIX + 90) * 1_000), 90),
        (str(UNIX * 1_000 - 1), 0),
        (str(UNIX + 100_000), 100_000),
    ],
)
def test_a_retry_after_that_is_a_unix_time_is_one(header: str, seconds: int) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


def test_a_retry_after_of_an_answer_that_cannot_be_used_is_obeyed_too() -> None:
    refusal = CallRefused("the answer broke off", can_retry=True, response_code=503)
    refusal.retry_after = "120"
    decision = after(refusal, draw=0)
    assert isinstance(decision, Retry)
    assert decision.delay == timedelta(seconds=122)


def test_retry_after_is_obeyed_on_top_of_the_jitter() -> None:
    decision = after(Answered(status=429, result="1", retry_after="120"), draw=0.25)
    assert isinstance(decision, Retry)
    assert decision.delay == timedelta(seconds=122.5)


@pytest.mark.parametrize(
    "header", ["86401", "9" * 30, "9" * 5_000, str(UNIX + 86_401), str(UNIX * 7), "Sat, 03 Jan 2026 12:00:00 GMT"]
)
def test_a_target_that_asks_to_wait_for_days_is_not_waited_for(header: str) -> None:
    decision = after(Answered(status=503, result="1", retry_after=header))
    assert isinstance(decision, Failed)
    # The reason has the words of the target, and no number that it did not send.
    words = header if len(header) < 40 else f"{header[:40]}…"
    assert decision.error == (
        f"the target answered 503: 1 (it answers Retry-After: {words}, at most 86400 s are waited)"
    )


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


@pytest.mark.parametrize("least", [0, 0.001, 1, 150, 200, 600, 86_400])
def test_every_smallest_delay_has_jitter_beside_the_default_of_the_largest(least: float) -> None:
    policy = RetryPolicy.of(None, least, None)

    delays = {backoff(10, policy, draw) for draw in (0, 0.25, 0.5, 0.75)}

    assert len(delays) == 4
    assert min(delays) == policy.min_delay


@pytest.mark.parametrize(("least", "most"), [(0, 300), (150, 300), (151, 302), (600, 1_200)])
def test_the_default_of_the_largest_delay_is_at_least_twice_the_smallest(least: float, most: float) -> None:
    assert RetryPolicy.of(None, least, None).max_delay == timedelta(seconds=most)


def test_delays_that_are_set_are_taken_as_they_are() -> None:
    assert RetryPolicy.of(3, 600, 600) == RetryPolicy(
        max_attempts=3, min_delay=timedelta(seconds=600), max_delay=timedelta(seconds=600)
    )
    assert RetryPolicy.of(None, None, None) == RetryPolicy()
