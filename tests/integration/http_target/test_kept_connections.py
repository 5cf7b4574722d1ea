"""Kept connections that are gone without a sign, and what may be repeated because of them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pytest

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import IDLE_SECONDS
from task_service.domain.call import CallRefused
from tests.support import behaviours
from tests.support.behaviours import answer, hang, in_turn, raw
from tests.support.http_calls import call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour, Wire

IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH"]


def only_once_a_connection(end: Behaviour) -> Behaviour:
    """Answers the first call of each connection; any later one finds the connection dead."""
    used: set[int] = set()

    def behave(wire: Wire) -> None:
        if wire.call.connection in used:
            end(wire)
        else:
            used.add(wire.call.connection)
            answer()(wire)

    return behave


DEATHS = pytest.mark.parametrize("death", [behaviours.reset, behaviours.close], ids=["reset", "close"])


def without_body(method: str) -> str | None:
    return None if method in ("GET", "HEAD") else "{}"


@DEATHS
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_an_idempotent_call_is_repeated_at_once_on_a_new_connection(
    target: HttpTarget, client: HttpClient, method: str, death: Behaviour
) -> None:
    url = target.on("/a", only_once_a_connection(death))

    for _ in range(3):
        assert call(client, url, method=method, body=without_body(method)).status == 200

    assert [one.connection for one in target.calls] == [1, 1, 2, 2, 3]


@DEATHS
@pytest.mark.parametrize("method", OTHERS)
def test_a_call_that_is_not_idempotent_is_left_to_the_tasks_retries(
    target: HttpTarget, client: HttpClient, method: str, death: Behaviour
) -> None:
    url = target.on("/a", only_once_a_connection(death))
    call(client, url, method=method)

    assert refused(client, url, method=method).can_retry
    assert len(target.calls) == 2


@DEATHS
def test_the_attempt_after_a_dead_connection_does_not_meet_the_next_one(
    target: HttpTarget, client: HttpClient, death: Behaviour
) -> None:
    url = target.on("/a", in_turn(*[hang()] * 10, only_once_a_connection(death)))
    with ThreadPoolExecutor(10) as threads:
        first = [threads.submit(call, client, url) for _ in range(10)]
        target.wait_for_calls(10)
        target.release()
        assert [one.result().status for one in first] == [200] * 10
    # Ten connections are kept, and every one is dead.
    used = only_once_a_connection(death)
    target.on("/a", lambda wire: death(wire) if wire.call.connection <= 10 else used(wire))

    assert refused(client, url).can_retry
    assert call(client, url).status == 200


@DEATHS
def test_of_many_tasks_with_two_attempts_all_are_done(target: HttpTarget, client: HttpClient, death: Behaviour) -> None:
    url = target.on("/a", only_once_a_connection(death))
    failed = 0
    for _ in range(20):
        with suppress(CallRefused):
            call(client, url)
            continue
        failed += 1

    # What succeeded last has left a connection that is dead by now.
    assert failed == 10
    assert [call(client, url, fresh=True).status for _ in range(failed)] == [200] * failed


def test_a_call_may_ask_for_a_new_connection(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", only_once_a_connection(behaviours.reset))

    assert [call(client, url, fresh=True).status for _ in range(3)] == [200, 200, 200]
    assert target.connections == 3


@pytest.mark.parametrize("method", IDEMPOTENT)
def test_a_call_on_a_new_connection_is_not_repeated(target: HttpTarget, client: HttpClient, method: str) -> None:
    url = target.on("/a", behaviours.reset)

    assert refused(client, url, method=method, body=without_body(method)).can_retry
    assert len(target.calls) == 1


@pytest.mark.parametrize("method", IDEMPOTENT)
@pytest.mark.parametrize("end", [raw(b"H"), raw(b"HTTP/1.1 200 OK\r\n"), behaviours.garbage])
def test_a_call_whose_answer_has_begun_is_not_repeated(
    target: HttpTarget, client: HttpClient, method: str, end: Behaviour
) -> None:
    url = target.on("/a", in_turn(answer(), end))
    call(client, url, method=method, body=without_body(method))

    assert refused(client, url, method=method, body=without_body(method)).can_retry
    assert [one.connection for one in target.calls] == [1, 1]


def test_a_dead_connection_that_stays_silent_costs_one_attempt_and_no_more(
    target: HttpTarget, client: HttpClient
) -> None:
    url = target.on("/a", in_turn(answer(), hang(), answer()))
    call(client, url, method="GET", body=None)

    out_of_time(client, url, method="GET", body=None)

    assert call(client, url, method="GET", body=None).status == 200
    assert [one.connection for one in target.calls] == [1, 1, 2]


# -- their age


class Clocks:
    """The two clocks by which the age of a connection is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.monotonic = 0.0
        now, ticks = time.time, time.monotonic
        monkeypatch.setattr("task_service.adapters.http.connections.time.time", lambda: now() + self.wall)
        monkeypatch.setattr("task_service.adapters.http.connections.time.monotonic", lambda: ticks() + self.monotonic)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocks]:
    yield Clocks(monkeypatch)


def test_the_age_limit_is_below_what_load_balancers_keep() -> None:
    assert 1 < IDLE_SECONDS < 60


@pytest.mark.parametrize(
    ("wall", "monotonic", "connections"),
    [
        (IDLE_SECONDS - 1, IDLE_SECONDS - 1, 1),
        (IDLE_SECONDS, IDLE_SECONDS, 2),
        # Frozen: one of the clocks may not have run.
        (3_600, 0, 2),
        (0, 3_600, 2),
        # Set back meanwhile.
        (-3_600, 1, 2),
    ],
)
def test_a_connection_that_was_idle_for_long_is_not_used_again(
    target: HttpTarget, client: HttpClient, clocks: Clocks, wall: float, monotonic: float, connections: int
) -> None:
    url = target.on("/a", answer())
    call(client, url)

    clocks.wall, clocks.monotonic = wall, monotonic
    call(client, url)

    assert target.connections == connections


def test_no_more_than_64_connections_are_kept(client: HttpClient) -> None:
    ports = set[int]()
    for _ in range(70):
        with HttpTarget() as target:
            call(client, target.on("/a", answer()))
            ports.add(urlsplit(target.url("/a")).port or 0)

    open_ones = [one.raddr for one in psutil.Process().net_connections("tcp4") if one.raddr]
    assert len([remote for remote in open_ones if remote.port in ports]) == 64
