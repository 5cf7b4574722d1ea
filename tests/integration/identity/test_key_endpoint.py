"""The key set from a real endpoint: slow, down, rubbish, changing; asked seldom."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from task_service.adapters.identity.jwks import FETCH_SECONDS, Jwks, fetch_from
from task_service.adapters.identity.jwt import JwtVerifier
from task_service.domain.errors import Unauthenticated, Unavailable
from tests.support import behaviours
from tests.support.behaviours import answer, drip_body, in_turn, redirect, stream
from tests.support.certificates import self_signed
from tests.support.targets import HttpTarget
from tests.support.tokens import AUDIENCE, BAD, ISSUER, Issuer
from tests.support.wire import Behaviour

ISSUED_BY = Issuer()
KEYS = answer(body=ISSUED_BY.jwks(), content_type="application/jwk-set+json")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


def verifier(target: HttpTarget, *, interval: timedelta = timedelta(hours=1)) -> JwtVerifier:
    keys = Jwks(fetch_from(target.url("/keys")), interval=interval, clock=now)
    return JwtVerifier(keys=keys, audience=AUDIENCE, issuer=ISSUER, clock=now)


def test_keys_are_fetched_when_the_first_token_comes(target: HttpTarget) -> None:
    target.on("/keys", KEYS)
    tokens = verifier(target)
    assert target.calls == []

    for key_id in ("rsa", "p256", "ed"):
        tokens.verify(ISSUED_BY.token(key_id))

    [call] = target.calls
    assert (call.method, call.headers["Accept"], call.headers["Authorization"]) == ("GET", "application/json", None)


def test_bad_tokens_of_every_kind_make_it_ask_once(target: HttpTarget) -> None:
    target.on("/keys", KEYS)
    tokens = verifier(target)

    for bad in BAD.values():
        with pytest.raises(Unauthenticated):
            tokens.verify(bad(ISSUED_BY))

    assert len(target.calls) == 1


FAULTS: dict[str, Behaviour] = {
    "is down": answer(503, b"{}"),
    "is not there": answer(404, ISSUED_BY.jwks()),
    "redirects": redirect("/elsewhere"),
    "closes": behaviours.close,
    "resets": behaviours.reset,
    "is no HTTP": behaviours.garbage,
    "breaks off": behaviours.short_body,
    "answers with HTML": answer(body=b"<html>"),
    "answers with no keys": answer(body=b'{"keys":[]}'),
    "answers with too much": stream(b"HTTP/1.1 200 OK\r\n\r\n", itertools.repeat(b" " * 100_000)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_that_fails(target: HttpTarget, fault: str) -> None:
    target.on("/keys", in_turn(FAULTS[fault], KEYS))
    target.on("/elsewhere", KEYS)

    with pytest.raises(Unavailable) as caught:
        verifier(target).verify(ISSUED_BY.token())

    assert "127.0.0.1" not in caught.value.message
    assert len(target.calls) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_that_fails_later_costs_no_client_its_access(target: HttpTarget, fault: str) -> None:
    target.on("/keys", in_turn(KEYS, FAULTS[fault]))
    tokens = verifier(target, interval=timedelta())
    tokens.verify(ISSUED_BY.token())

    tokens.verify(ISSUED_BY.token())

    assert len(target.calls) == 2


@pytest.mark.parametrize("fault", [behaviours.hang(), drip_body()])
def test_an_endpoint_that_is_slow_is_left_in_time(target: HttpTarget, fault: Behaviour) -> None:
    target.on("/keys", fault)
    tokens = verifier(target)

    started = time.monotonic()
    with pytest.raises(Unavailable):
        tokens.verify(ISSUED_BY.token())
    assert time.monotonic() - started < FETCH_SECONDS + 0.5

    # The next one does not wait for it again.
    started = time.monotonic()
    with pytest.raises(Unavailable):
        tokens.verify(ISSUED_BY.token())
    assert time.monotonic() - started < 0.1


def test_over_tls_the_endpoint_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = self_signed(tmp_path)
    with HttpTarget(tls=context) as target:
        target.on("/keys", KEYS)
        with pytest.raises(Unavailable):
            verifier(target).verify(ISSUED_BY.token())
        assert target.calls == []

        # A certificate authority of one's own is trusted as everywhere.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        verifier(target).verify(ISSUED_BY.token())
