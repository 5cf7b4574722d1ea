"""Tokens for the services that we call, from a real token endpoint: slow, refusing, rubbish, asked by many at once."""

import itertools
import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from task_service.adapters.cache_service import CacheService
from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import anywhere
from task_service.adapters.identity.oauth import ClientCredentials
from task_service.domain.call import CallRefused
from task_service.domain.errors import Unavailable
from task_service.ports import Clock
from task_service.testing import FakeClock
from task_service.wiring.services import utc_now
from tests.support import behaviours
from tests.support.behaviours import answer, drip_body, hang, in_turn, redirect, stream
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour, Call, Wire

CLIENT_ID, SECRET = "task service", "s3cret/+:ü"
BASIC = "Basic " + b64encode(b"task+service:s3cret%2F%2B%3A%C3%BC").decode()
START = datetime(2026, 1, 1, tzinfo=UTC)


class Secret:
    """A secret that may be changed; who has read it has to forget it."""

    def __init__(self, *values: str | Exception) -> None:
        self.values = list(values)
        self.read = 0

    def __call__(self) -> str:
        self.read += 1
        if isinstance(self.values[0], Exception):
            raise self.values[0]
        return self.values[0]

    def forget(self) -> None:
        if len(self.values) > 1:
            self.values.pop(0)


def token(text: str = "token-1", **members: Any) -> Behaviour:
    made = {"access_token": text, "token_type": "Bearer", "expires_in": 3600, **members}
    return answer(body=json.dumps({name: value for name, value in made.items() if value is not None}).encode())


class World:
    def __init__(self, target: HttpTarget, *secrets: str | Exception, clock: Clock | None = None) -> None:
        self.clock = FakeClock(START)
        self.secret = Secret(*(secrets or (SECRET,)))
        self.paused: list[float] = []
        self.credentials = ClientCredentials(
            token_url=target.url("/token"),
            client_id=CLIENT_ID,
            secret=self.secret,
            clock=clock or self.clock,
            draw=lambda: 1.0,
            pause=self.paused.append,
        )

    def get(self, seconds: float = 20) -> str:
        return self.credentials(self.clock() + timedelta(seconds=seconds))

    def refused(self, seconds: float = 20) -> CallRefused:
        with pytest.raises(CallRefused) as caught:
            self.get(seconds)
        for secret in (SECRET, "127.0.0.1", CLIENT_ID):
            assert secret not in caught.value.reason
        return caught.value


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


@pytest.fixture
def world(target: HttpTarget) -> World:
    return World(target)


def form(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode()).items()}


def test_a_token_is_asked_for_as_the_standard_has_it(target: HttpTarget, world: World) -> None:
    target.on("/token", token())

    assert world.get() == "token-1"

    [call] = target.calls
    assert call.method == "POST"
    assert call.headers["Authorization"] == BASIC
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form(call) == {"grant_type": "client_credentials"}


def test_an_endpoint_that_wants_the_credentials_in_the_body_gets_them_there(target: HttpTarget, world: World) -> None:
    def behave(wire: Wire) -> None:
        (answer(401, b'{"error":"invalid_client"}') if wire.call.headers["Authorization"] else token())(wire)

    target.on("/token", behave)

    assert world.get() == "token-1"
    world.credentials.forget()
    assert world.get() == "token-1"

    # Found out once.
    assert len(target.calls) == 3
    assert form(target.calls[2]) == {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
    }


def test_a_token_is_kept_until_shortly_before_it_expires(target: HttpTarget, world: World) -> None:
    target.on("/token", in_turn(token("token-1"), token("token-2")))

    assert world.get() == "token-1"
    world.clock.advance(3600 - 31)
    assert world.get() == "token-1"
    assert len(target.calls) == 1
    world.clock.advance(1)
    assert world.get() == "token-2"


@pytest.mark.parametrize(
    ("expires_in", "used_for"),
    [(60, 54), ("600", 570), (10, 9), (None, 270), ("soon", 270), (10**400, 270), (10**9, 86370), ([], 270)],
)
def test_how_long_a_token_is_used(target: HttpTarget, world: World, expires_in: Any, used_for: int) -> None:
    target.on("/token", token(expires_in=expires_in))

    world.get()
    world.clock.advance(used_for - 1)
    world.get()
    assert len(target.calls) == 1
    world.clock.advance(1)
    world.get()
    assert len(target.calls) == 2


@pytest.mark.parametrize("expires_in", [0, -5])
def test_a_token_that_expires_at_once_is_used_once(target: HttpTarget, world: World, expires_in: int) -> None:
    target.on("/token", in_turn(token("token-1", expires_in=expires_in), token("token-2")))

    assert [world.get(), world.get()] == ["token-1", "token-2"]


def test_a_token_that_was_not_accepted_is_forgotten(target: HttpTarget, world: World) -> None:
    target.on("/token", in_turn(token("token-1"), token("token-2")))
    world.get()

    world.credentials.forget("token-1")
    assert world.get() == "token-2"
    # Another thread's complaint about the token before comes late.
    world.credentials.forget("token-1")
    assert world.get() == "token-2"
    assert len(target.calls) == 2


# -- many at once


def test_one_thread_fetches_for_all(target: HttpTarget, world: World) -> None:
    target.on("/token", token_after_release)
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(world.get) for _ in range(20)]
        target.wait_for_calls(1)
        target.release()

        assert {future.result(timeout=10) for future in futures} == {"token-1"}
    assert len(target.calls) == 1


def token_after_release(wire: Wire) -> None:
    wire.wait_for_release(10)
    token()(wire)


def test_one_failure_is_that_of_all_threads_that_waited(target: HttpTarget, world: World) -> None:
    def behave(wire: Wire) -> None:
        wire.wait_for_release(10)
        answer(401)(wire)

    target.on("/token", behave)
    waiting = threading.Barrier(9)

    def get() -> str:
        waiting.wait()
        return world.get()

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(get) for _ in range(8)]
        waiting.wait()
        target.wait_for_calls(1)
        target.release()
        for future in futures:
            with pytest.raises(CallRefused, match="did not accept our credentials"):
                future.result(timeout=10)
    # Both ways, for those who came in time; a thread that was late has asked again.
    assert len(target.calls) <= 2 * 8


def test_a_thread_does_not_wait_longer_than_there_is_time(target: HttpTarget, world: World) -> None:
    target.on("/token", token_after_release)
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(world.get)
        target.wait_for_calls(1)

        assert world.refused(0.2).reason == "there was no time left for getting a token"

        target.release()
        assert patient.result(timeout=10) == "token-1"
    assert len(target.calls) == 1


# -- endpoints that fail

FAILED = "the token endpoint gave no token"

FAULTS: dict[str, Behaviour] = {
    "is down": answer(503),
    "is busy": answer(429, headers={"Retry-After": "1000"}),
    "is not there": answer(404),
    "redirects": redirect("http://127.0.0.1:1/steal", 307),
    "closes": behaviours.close,
    "resets": behaviours.reset,
    "is no HTTP": behaviours.garbage,
    "breaks off": behaviours.short_body,
    "answers with HTML": answer(body=b"<html>"),
    "answers with nothing": answer(body=b""),
    "answers with a list": answer(body=b"[]"),
    "answers with something deep": answer(body=b"[" * 100_000),
    "answers with too much": stream(b"HTTP/1.1 200 OK\r\n\r\n", itertools.repeat(bytes(100_000))),
    "gives no token": token(access_token=None),
    "gives an empty token": token(""),
    "gives a token that is a number": token(access_token=7),
    "gives a token that would be another header": token("a\r\nX-Injected: b"),
    "gives a token with a space": token("a b"),
    "gives a token of another type": token(token_type="mac"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_that_fails_is_asked_three_times(target: HttpTarget, world: World, fault: str) -> None:
    target.on("/token", FAULTS[fault])

    refusal = world.refused()

    assert (refusal.reason, refusal.can_retry) == (FAILED, True)
    assert len(target.calls) == 3
    assert world.paused == [0.2, 0.4]
    # And works again as soon as it does.
    target.on("/token", token())
    assert world.get() == "token-1"


def test_an_endpoint_that_fails_once_is_no_failure(target: HttpTarget, world: World) -> None:
    target.on("/token", in_turn(behaviours.reset, answer(500), token()))

    assert world.get() == "token-1"


@pytest.mark.parametrize("fault", [hang(), drip_body()])
def test_an_endpoint_that_is_slow_ends_with_the_time(target: HttpTarget, fault: Behaviour) -> None:
    target.on("/token", fault)
    world = World(target, clock=lambda: datetime.now(UTC))
    started = datetime.now(UTC)

    with pytest.raises(CallRefused) as caught:
        world.credentials(started + timedelta(seconds=0.5))

    assert caught.value.can_retry
    assert datetime.now(UTC) - started < timedelta(seconds=1)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_are_not_accepted_may_be_mended(target: HttpTarget, world: World, status: int) -> None:
    target.on("/token", answer(status, b'{"error":"invalid_client"}'))

    refusal = world.refused()

    assert (refusal.reason, refusal.can_retry) == ("the token endpoint did not accept our credentials", True)
    assert len(target.calls) == 2


def test_a_secret_that_was_changed_is_read_again(target: HttpTarget) -> None:
    world = World(target, "old", "new")

    def behave(wire: Wire) -> None:
        # Basic task+service:new
        good = "Basic " + b64encode(b"task+service:new").decode()
        (token() if wire.call.headers["Authorization"] == good else answer(401))(wire)

    target.on("/token", behave)

    assert world.get() == "token-1"


def test_a_secret_that_cannot_be_read_is_a_reason_to_come_again(target: HttpTarget) -> None:
    world = World(target, Unavailable("secretsmanager: ThrottlingException"))

    refusal = world.refused()

    assert (refusal.reason, refusal.can_retry) == (FAILED, True)
    assert world.secret.read == 3
    assert target.calls == []


def test_nothing_that_is_secret_is_logged(target: HttpTarget, world: World, caplog: pytest.LogCaptureFixture) -> None:
    target.on("/token", in_turn(answer(500, SECRET.encode()), token("token-1"), answer(401, SECRET.encode())))
    with caplog.at_level(logging.DEBUG):
        world.get()
        world.credentials.forget()
        world.refused()

    ours = [record for record in caplog.records if record.name == "task"]
    assert [record.levelname for record in ours] == ["WARNING", "INFO", "ERROR"]
    said = " ".join(str(vars(record)) for record in caplog.records) + caplog.text
    for secret in (SECRET, "s3cret", BASIC, BASIC[6:], "token-1"):
        assert secret not in said
    assert SECRET not in repr(vars(world.credentials))


# -- with a service


def test_a_service_that_does_not_accept_the_token_gets_a_new_one_next_time(target: HttpTarget, world: World) -> None:
    target.on("/token", in_turn(token("token-1"), token("token-2")))
    target.on("/v1/cache", in_turn(answer(401), answer(201)))
    with closing(HttpClient(Dialler(permits=anywhere), clock=utc_now)) as calls:
        cache = CacheService(
            address=target.url(""),
            target=calls,
            clock=lambda: datetime.now(UTC),
            user_agent="test",
            token=ClientCredentials(
                token_url=target.url("/token"),
                client_id=CLIENT_ID,
                secret=world.secret,
                clock=lambda: datetime.now(UTC),
            ),
        )
        deadline = datetime.now(UTC) + timedelta(seconds=10)

        with pytest.raises(CallRefused, match="the cache service answered 401"):
            cache.write("k", "1", namespace="", scope="", deadline=deadline)
        cache.write("k", "1", namespace="", scope="", deadline=deadline)

    sent = [call.headers["Authorization"] for call in target.calls_to("/v1/cache")]
    assert sent == ["Bearer token-1", "Bearer token-2"]
