"""Whose clock decides: the database's, however wrong the host's is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from task_service.adapters.postgres.clock import MEASURED_AGAIN, DatabaseClock
from task_service.adapters.postgres.database import Database
from task_service.domain.errors import Unavailable
from task_service.domain.messages import message_of
from task_service.domain.outcome import Outcome
from task_service.domain.task import State
from task_service.testing import ScriptedOutside
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.support.builders import NOW, task
from tests.support.postgres import Server

MINUTES = timedelta(minutes=7)
EXACT = timedelta(seconds=5)
"""More than a busy machine takes, and far less than minutes."""


@pytest.fixture(params=[MINUTES, -MINUTES], ids=["the database is ahead", "the host is ahead"])
def off(request: pytest.FixtureRequest) -> timedelta:
    """How far the database's clock is ahead of this host's."""
    difference: timedelta = request.param
    return difference


@pytest.fixture
def skewed(postgres_server: Server, url: str, off: timedelta) -> Iterator[PostgresPlatform]:
    """A host whose database has another time.

    Its functions of time are found before PostgreSQL's own, by PGMQ's functions too.
    """
    platform = PostgresPlatform(database=Database(conninfo=url))
    platform.database.rows("CREATE SCHEMA skewed")
    for name in ("clock_timestamp", "now"):
        platform.database.rows(f"""
            CREATE FUNCTION skewed.{name}() RETURNS timestamptz LANGUAGE sql VOLATILE
            AS $$ SELECT pg_catalog.{name}() + interval '{off.total_seconds():.0f} seconds' $$
        """)
    [row] = platform.database.rows("SELECT current_database() AS name")
    postgres_server.execute(f"ALTER DATABASE {row['name']} SET search_path = skewed, pg_catalog")
    platform.database.close()
    yield platform
    platform.close()


def test_the_clock_is_the_databases(skewed: PostgresPlatform, off: timedelta) -> None:
    assert abs(skewed.clock() - off - datetime.now(UTC)) < EXACT
    assert skewed.clock().tzinfo is UTC


def test_a_lease_holds_for_as_long_as_its_holder_may_work(skewed: PostgresPlatform) -> None:
    created = task("t", created_at=skewed.clock(), expires_at=skewed.clock() + timedelta(days=1))
    skewed.tasks.add(created)
    ends = skewed.clock() + timedelta(seconds=60)
    claim = skewed.tasks.claim(message_of(created), now=skewed.clock(), lease_until=ends, holder="a")
    assert claim.won
    other = skewed.tasks.claim(message_of(created), now=skewed.clock(), lease_until=ends, holder="b")
    assert not other.won
    [row] = skewed.database.rows("SELECT lease_until - clock_timestamp() AS left FROM task_service.tasks")
    assert abs(row["left"] - timedelta(seconds=60)) < EXACT


def test_a_crashed_holder_is_followed_when_its_lease_has_ended(skewed: PostgresPlatform) -> None:
    created = task("t", created_at=skewed.clock(), expires_at=skewed.clock() + timedelta(days=1))
    skewed.tasks.add(created)
    # Times are kept in milliseconds.
    soon = (skewed.clock() + timedelta(milliseconds=50)).replace(microsecond=0) + timedelta(seconds=1)
    skewed.tasks.claim(message_of(created), now=skewed.clock(), lease_until=soon, holder="crashed")
    won_at = None
    while won_at is None:
        now = skewed.clock()
        if skewed.tasks.claim(message_of(created), now=now, lease_until=now + MINUTES, holder="next").won:
            won_at = now
    assert timedelta() < won_at - soon < EXACT


def test_a_delay_is_as_long_as_it_was_meant(skewed: PostgresPlatform) -> None:
    due = skewed.clock() + timedelta(milliseconds=700)
    skewed.queue.send(message_of(task("t")), due_at=due)
    assert skewed.task_reader.receive(most=1, visibility=MINUTES) == []
    [received] = skewed.task_reader.receive(most=1, visibility=MINUTES, wait=timedelta(seconds=5))
    assert timedelta() <= skewed.clock() - due < EXACT
    skewed.queue.postpone(received.receipt, until=skewed.clock() + timedelta(milliseconds=300))
    assert skewed.task_reader.receive(most=1, visibility=MINUTES) == []
    assert len(skewed.task_reader.receive(most=1, visibility=MINUTES, wait=timedelta(seconds=5))) == 1


def test_a_task_runs_and_its_retention_ends_by_the_databases_clock(skewed: PostgresPlatform) -> None:
    services = Services(settings=Settings({}), platform=skewed, outside=ScriptedOutside())
    created = task("t", created_at=skewed.clock(), expires_at=skewed.clock() + timedelta(days=1))
    skewed.tasks.add(created)
    step = services.message_handler.handle(
        message_of(created), receipt="1.1", deadline=skewed.clock() + timedelta(seconds=50)
    )
    assert step.outcome is Outcome.DONE
    done = services.task_reader.task("t")
    assert done.state is State.DONE
    assert done.finished_at is not None
    assert abs(done.finished_at - skewed.clock()) < timedelta(seconds=5)
    assert skewed.retention(timedelta(days=1)).remove_some() == 0
    skewed.database.rows("UPDATE task_service.tasks SET expires_at = clock_timestamp() - interval '1 second'")
    assert skewed.retention(timedelta(days=1)).remove_some() == 1


# -- without a database: how the difference is measured


class Counting:
    """A counting clock that a test moves."""

    def __init__(self) -> None:
        self.count = 1_000.0

    def __call__(self) -> float:
        return self.count


class Answers:
    """A database that tells these times, each after so many seconds."""

    def __init__(self, counting: Counting, *answers: tuple[float, datetime] | Unavailable) -> None:
        self._counting = counting
        self.answers = list(answers)

    def impatient(self) -> "Answers":
        return self

    def rows(self, statement: str) -> list[dict[str, Any]]:
        answer = self.answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        self._counting.count += answer[0]
        return [{"now": answer[1]}]


def clock_of(*answers: tuple[float, datetime] | Unavailable) -> tuple[Any, Counting, Answers]:
    counting = Counting()
    database: Any = Answers(counting, *answers)
    return DatabaseClock(database, counting=counting), counting, database


def test_the_time_goes_on_between_measurements() -> None:
    clock, counting, _ = clock_of((0.0, NOW))
    assert clock() == NOW
    counting.count += 12.5
    assert clock() == NOW + timedelta(seconds=12.5)


def test_half_of_what_an_answer_took_has_passed_since() -> None:
    clock, _, _ = clock_of((0.04, NOW))
    assert clock() == NOW + timedelta(seconds=0.02)


def test_an_answer_that_waited_for_a_connection_is_asked_for_again() -> None:
    clock, _, _ = clock_of((4.0, NOW), (0.01, NOW + timedelta(seconds=1)))
    assert clock() == NOW + timedelta(seconds=1.005)


def test_where_all_answers_are_slow_the_fastest_counts() -> None:
    clock, _, _ = clock_of((4.0, NOW), (1.0, NOW + timedelta(seconds=3)), (2.0, NOW + timedelta(seconds=5)))
    assert clock() == NOW + timedelta(seconds=3 + 0.5 + 2)


def test_the_difference_is_measured_again() -> None:
    clock, counting, _ = clock_of((0.0, NOW), (0.0, NOW + timedelta(hours=1)))
    clock()
    counting.count += MEASURED_AGAIN
    assert clock() == NOW + timedelta(hours=1)


def test_a_database_that_does_not_answer_does_not_stop_the_clock_nor_is_it_asked_at_once() -> None:
    clock, counting, database = clock_of((0.0, NOW), Unavailable(), (0.0, NOW))
    clock()
    counting.count += MEASURED_AGAIN
    for _ in range(3):
        assert clock() == NOW + timedelta(seconds=MEASURED_AGAIN)
    assert len(database.answers) == 1


def test_while_the_database_is_asked_others_need_not_wait_for_its_answer() -> None:
    clock, counting, database = clock_of((0.0, NOW), (0.0, NOW))
    clock()
    counting.count += MEASURED_AGAIN
    told = list[datetime]()
    answer = database.rows
    with ThreadPoolExecutor(1) as others:

        def rows(statement: str) -> list[dict[str, Any]]:
            told.append(others.submit(clock).result(timeout=10))
            return answer(statement)

        database.rows = rows  # type: ignore[method-assign]
        clock()
    assert told == [NOW + timedelta(seconds=MEASURED_AGAIN)]


def test_there_is_no_time_before_the_database_has_answered() -> None:
    clock, _, _ = clock_of(Unavailable(), (0.0, NOW))
    with pytest.raises(Unavailable):
        clock()
    assert clock() == NOW


def test_a_batch_of_messages_measures_it_too_unless_it_was_slow() -> None:
    clock, counting, _ = clock_of((0.0, NOW))
    clock()
    clock.observe(NOW + timedelta(hours=1), asked=counting.count - 0.02, answered=counting.count)
    assert clock() == NOW + timedelta(hours=1, seconds=0.01)
    clock.observe(NOW, asked=counting.count - 3, answered=counting.count)
    assert clock() == NOW + timedelta(hours=1, seconds=0.01)


def test_the_hosts_wall_clock_is_never_looked_at(monkeypatch: pytest.MonkeyPatch, platform: PostgresPlatform) -> None:
    before = platform.clock()
    wrong = SimpleNamespace(now=lambda zone: datetime(1999, 1, 1, tzinfo=zone))
    monkeypatch.setattr("task_service.wiring.services.datetime", wrong)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert timedelta() <= platform.clock() - before < timedelta(seconds=5)
    services = Services(settings=Settings({}), platform=platform)
    assert services.clock() >= before
