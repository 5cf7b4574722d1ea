"""Targets that speak TLS: only the ones that can be verified are called, and the budget holds there too."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests.adapters

from task_service.adapters.http.target import RequestsTarget
from task_service.domain.call import Answered
from tests.support import behaviours
from tests.support.behaviours import answer, chunks, drip_body, drip_header, echo, hang, raw, redirect, stream
from tests.support.certificates import self_signed
from tests.support.http_calls import call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

UNVERIFIED = "the target's TLS could not be verified or negotiated"


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTarget]:
    """A target that is trusted."""
    context, certificate = self_signed(tmp_path)
    trust(certificate, monkeypatch)
    with HttpTarget(tls=context) as target:
        yield target


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, client: RequestsTarget) -> None:
    context, _ = self_signed(tmp_path)
    with HttpTarget(tls=context) as target:
        refusal = refused(client, target.on("/a", answer()))

        assert (refusal.reason, refusal.can_retry) == (UNVERIFIED, True)
        assert target.calls == []


@pytest.mark.parametrize(("address", "days"), [("127.0.0.2", 1), ("127.0.0.1", -1)])
def test_a_certificate_of_another_host_or_time_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: RequestsTarget, address: str, days: int
) -> None:
    context, certificate = self_signed(tmp_path, address=address, valid_for=timedelta(days=days))
    trust(certificate, monkeypatch)
    with HttpTarget(tls=context) as target:
        assert refused(client, target.on("/a", answer())).reason == UNVERIFIED
        assert target.calls == []


def test_a_target_that_speaks_no_tls_is_refused(client: RequestsTarget) -> None:
    with HttpTarget(instead_of_http=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as target:
        assert refused(client, f"https://127.0.0.1:{target.port}/a").reason == UNVERIFIED


def test_a_target_that_is_verified_is_called_on_one_connection(target: HttpTarget, client: RequestsTarget) -> None:
    large = '"' + "x" * 1_000_000 + '"'
    for behave in (chunks(b"[1]"), answer(), redirect("/echo", 307)):
        call(client, target.on("/a", behave))
    target.on("/echo", echo)

    assert call(client, target.on("/b", answer(body=large.encode())), body=large) == Answered(status=200, result=large)
    assert target.calls_to("/b")[0].body == large.encode()
    assert target.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(target: HttpTarget, client: RequestsTarget) -> None:
    url = target.on("/a", answer())
    call(client, url)
    target.disconnect()

    assert call(client, url).status == 200
    assert target.connections == 2


@pytest.mark.parametrize(
    "behave",
    [
        hang(),
        drip_header(0.05),
        drip_body(0.05),
        stream(b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)),
    ],
    ids=["hangs", "drips its header", "drips its body", "sends interim answers for ever"],
)
def test_a_target_that_takes_for_ever_is_left_in_time(
    target: HttpTarget, client: RequestsTarget, behave: Behaviour
) -> None:
    out_of_time(client, target.on("/a", behave))


def test_a_target_that_does_not_read_is_left_in_time(target: HttpTarget, client: RequestsTarget) -> None:
    url = target.on("/a", hang(), before_body=True)

    out_of_time(client, url, body='"' + "a" * 20_000_000 + '"')


CLOSED = "the target closed the connection without an answer"


@pytest.mark.parametrize(
    ("behave", "reasons"),
    [
        (behaviours.close, [CLOSED]),
        # The ssl module takes a reset for an end in some versions of Python.
        (behaviours.reset, ["the target reset the connection", CLOSED]),
        (behaviours.short_body, ["the target's answer broke off or is not valid HTTP"]),
    ],
)
def test_a_connection_that_ends_early_is_tried_again_later(
    target: HttpTarget, client: RequestsTarget, behave: Behaviour, reasons: list[str]
) -> None:
    refusal = refused(client, target.on("/a", behave))

    assert refusal.can_retry
    assert refusal.reason in reasons


def test_a_handshake_that_is_broken_off_is_tried_again_later(client: RequestsTarget) -> None:
    with HttpTarget(instead_of_http=raw(b"\x16")) as target:
        refusal = refused(client, f"https://127.0.0.1:{target.port}/a")

    assert (refusal.reason, refusal.can_retry) == (CLOSED, True)
