"""What is done too often is done at a steady pace."""

import pytest

from task_service.adapters.postgres.pace import BURST, Pace


class Time:
    """A clock that only pauses move on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.paused = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.paused += seconds


def test_a_few_at_once_wait_for_nothing() -> None:
    time = Time()
    pace = Pace(100, counting=lambda: time.now, pause=time.pause)
    for _ in range(BURST):
        pace.keep()
    assert time.paused == pytest.approx(0, abs=1e-6)


def test_many_keep_the_pace_and_a_rest_makes_a_few_free_again() -> None:
    time = Time()
    pace = Pace(100, counting=lambda: time.now, pause=time.pause)
    for _ in range(BURST + 200):
        pace.keep()
    assert time.paused == pytest.approx(2, abs=0.02)
    time.now += 1
    before = time.paused
    for _ in range(BURST):
        pace.keep()
    assert time.paused == pytest.approx(before, abs=1e-6)


def test_what_may_be_done_at_once_is_counted_like_what_waited() -> None:
    time = Time()
    pace = Pace(64, counting=lambda: time.now, pause=time.pause)
    assert [pace.take() for _ in range(BURST + 1)] == [True] * BURST + [False]
    pace.keep()
    assert time.paused == pytest.approx(1 / 64)
    time.now += 1
    assert pace.take()
