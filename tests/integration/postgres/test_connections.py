"""Connections and statements: cut, lost, all in use, slow or hanging; each has its limit and its reason."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from task_service.adapters.postgres.database import Database, Patience
from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.retry import Done
from task_service.domain.task import Body, State
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres.conftest import Host, assert_nothing_is_lost, create
from tests.support.builders import task
from tests.support.postgres import Server
from tests.support.postgres_proxy import Wire

LONG = timedelta(minutes=1)


def test_connections_that_the_server_cuts_are_replaced_unnoticed(platform: PostgresPlatform) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: platform.database.rows("SELECT pg_sleep(0.05)"), range(16)))
    for number in range(5):
        with platform.database.connect() as operator:
            operator.execute("""
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
        create(platform, str(number))
        assert platform.tasks.get(str(number)) is not None


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    """A wire to this test's database."""
    wire = Wire(url)
    yield wire
    wire.close()


@pytest.fixture
def wired(wire: Wire) -> Iterator[PostgresPlatform]:
    """A host at the end of that wire."""
    # With one connection it is known whose answer gets lost.
    platform = PostgresPlatform(database=Database(conninfo=wire.url, pool_size=1))
    platform.tasks.ping()
    yield platform
    platform.close()


def test_a_write_whose_answer_is_lost_is_repeated_and_finds_itself(wire: Wire, wired: PostgresPlatform) -> None:
    now = wired.clock()
    created = task("t")
    wire.lose_next_answer()
    # It was there already when it was written again.
    assert wired.tasks.add(created) == created
    assert wire.lost.is_set()

    wire.lose_next_answer()
    claim = wired.tasks.claim(message_of(created), now=now, lease_until=now + LONG, holder="a")
    assert wire.lost.is_set()
    assert claim.won
    assert claim.task is not None

    wire.lose_next_answer()
    assert wired.tasks.finish(claim.task, Done(result="1"), result=Body(text="1"), now=now)
    assert wire.lost.is_set()
    done = wired.tasks.get("t")
    assert done is not None
    assert (done.state, done.result) == (State.DONE, Body(text="1"))


def test_a_creation_whose_commit_is_not_answered_is_refused(wire: Wire, wired: PostgresPlatform) -> None:
    created = task("t")
    with pytest.raises(Unavailable, match="postgresql: the connection is lost"), wired.unit_of_work():
        wired.tasks.add(created)
        wired.queue.send(message_of(created))
        wire.lose_next_answer()
    # The client gets an error, and the use case takes the record back; the message then starts nothing.
    wired.tasks.remove("t")
    [message] = wired.task_reader.receive(most=10, visibility=LONG)
    assert "t" in message.body
    claim = wired.tasks.claim(message_of(created), now=wired.clock(), lease_until=wired.clock() + LONG, holder="a")
    assert (claim.won, claim.task) == (False, None)


def test_where_no_connection_is_free_the_reason_says_so(host: Host) -> None:
    platform = host(pool_size=2, patience=Patience(connection=0.2))
    done = threading.Event()
    holders = threading.Barrier(3)

    def hold() -> None:
        with platform.unit_of_work():
            platform.database.rows("SELECT 1")
            holders.wait()
            done.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    holders.wait()
    with pytest.raises(Unavailable, match=r"postgresql: all connections are in use, for 0\.2 s"):
        platform.tasks.get("t")
    done.set()
    for thread in threads:
        thread.join()
    assert platform.tasks.get("t") is None


def test_a_server_without_connections_left_is_unavailable_until_it_has_some(server: Server) -> None:
    with server.database() as url, ExitStack() as others:
        server.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
        few = make_conninfo(url, user="few")
        other = others.enter_context(psycopg.connect(few))
        platform = PostgresPlatform(database=Database(conninfo=few, patience=Patience(connection=0.3)))
        with pytest.raises(Unavailable, match="postgresql: the server accepts no connection"):
            platform.database.rows("SELECT 1")
        other.close()
        patient = PostgresPlatform(database=Database(conninfo=few))
        platform.close()
        assert patient.database.rows("SELECT 1 AS one") == [{"one": 1}]
        patient.close()


def test_many_threads_share_few_connections(host: Host) -> None:
    platform = host(pool_size=2)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: create(platform, str(number)), range(100)))
    assert_nothing_is_lost(platform, [str(number) for number in range(100)])


# -- slow


def test_a_statement_that_takes_too_long_is_given_up(host: Host) -> None:
    platform = host(patience=Patience(statement=0.2))
    with pytest.raises(Unavailable, match="postgresql: QueryCanceled"):
        platform.database.rows("SELECT pg_sleep(5)")
    assert platform.database.rows("SELECT 1 AS one") == [{"one": 1}]


def test_a_server_that_hangs_is_given_up_and_asked_again_when_it_goes_on(server: Server) -> None:
    with server.database() as url:
        database = Database(conninfo=url, pool_size=1, patience=Patience(statement=0.2))
        platform = PostgresPlatform(database=database)
        [row] = platform.database.rows("SELECT pg_backend_pid() AS pid")
        os.kill(row["pid"], signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match="postgresql: the server does not answer"):
                platform.tasks.get("t")
            # The connection was replaced.
            assert platform.tasks.get("t") is None
        finally:
            os.kill(row["pid"], signal.SIGCONT)
        platform.close()


def test_a_lock_that_another_holds_too_long_is_given_up(host: Host) -> None:
    platform, other = host(patience=Patience(lock=0.2)), host()
    platform.tasks.add(task("t"))
    now = platform.clock()
    with other.unit_of_work():
        assert other.tasks.claim(message_of(task("t")), now=now, lease_until=now + LONG, holder="a").won
        with pytest.raises(Unavailable, match="postgresql: LockNotAvailable"):
            platform.tasks.cancel("t", reason="why", now=now)
    assert platform.tasks.cancel("t", reason="why", now=now).won


def test_a_client_that_waits_is_not_kept_by_a_slow_statement(platform: PostgresPlatform) -> None:
    impatient = platform.impatient()
    assert impatient.database.patience.statement == 1
    started = time.monotonic()
    with pytest.raises(Unavailable, match="postgresql: QueryCanceled"):
        impatient.database.rows("SELECT pg_sleep(5)")
    assert time.monotonic() - started < 3
    # The same pool.
    assert impatient.database.pool_stats() == platform.database.pool_stats()


def test_a_host_that_stops_in_the_middle_does_not_keep_its_locks(host: Host) -> None:
    slow, quick = host(patience=Patience(statement=0.2)), host()
    quick.tasks.add(task("t"))
    now = quick.clock()
    given_up = pytest.raises(Unavailable, match=r"postgresql: (IdleInTransactionSessionTimeout|the connection is lost)")
    with given_up, slow.unit_of_work():
        slow.tasks.claim(message_of(task("t")), now=now, lease_until=now + LONG, holder="slow")
        assert quick.tasks.claim(message_of(task("t")), now=now, lease_until=now + LONG, holder="quick").won
        slow.queue.send(TaskMessage(task_id="t", attempt=2))
    found = quick.tasks.get("t")
    assert found is not None
    assert found.holder == "quick"


def test_a_deadlock_is_solved_by_trying_again(host: Host) -> None:
    one, other = host(), host()
    for task_id in ("a", "b"):
        one.tasks.add(task(task_id))
    start = threading.Barrier(2)

    def cross(platform: PostgresPlatform, first: str, second: str) -> str:
        try:
            with platform.unit_of_work():
                platform.tasks.remove(first)
                start.wait()
                platform.tasks.remove(second)
        except Unavailable as failure:
            return failure.message
        return "done"

    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(threads.map(cross, (one, other), ("a", "b"), ("b", "a")))
    assert outcomes == ["done", "postgresql: DeadlockDetected"]
