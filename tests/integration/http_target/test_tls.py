"""Targets that speak TLS: only the ones that can be verified are called, and the budget holds there too."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from task_service.adapters.cache_service import CacheService
from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import anywhere
from task_service.adapters.http.endpoint import ask_endpoint
from task_service.adapters.http.trust import tls_context
from task_service.adapters.policies.remote import RemotePolicies
from task_service.domain.call import Answered
from task_service.wiring.services import utc_now
from tests.support import behaviours
from tests.support.behaviours import answer, chunks, drip_body, drip_header, echo, hang, raw, redirect, stream
from tests.support.certificates import self_signed
from tests.support.http_calls import call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

UNVERIFIED = "the target's TLS could not be verified or negotiated"


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTarget]:
    """A target that is trusted."""
    context, certificate = self_signed(tmp_path)
    trust(certificate, monkeypatch)
    with HttpTarget(tls=context) as target:
        yield target


def test_a_certificate_that_no_authority_vouches_for_is_refused_for_good(tmp_path: Path, client: HttpClient) -> None:
    context, _ = self_signed(tmp_path)
    with HttpTarget(tls=context) as target:
        refusal = refused(client, target.on("/a", answer()))

        assert refusal.reason == "the target's certificate is not valid: it is self-signed"
        assert not refusal.can_retry
        assert target.calls == []


@pytest.mark.parametrize(
    ("address", "days", "kind"),
    [("127.0.0.2", 1, "it is for another host"), ("127.0.0.1", -1, "it has expired")],
)
def test_a_certificate_of_another_host_or_time_is_refused_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: HttpClient, address: str, days: int, kind: str
) -> None:
    context, certificate = self_signed(tmp_path, address=address, valid_for=timedelta(days=days))
    trust(certificate, monkeypatch)
    with HttpTarget(tls=context) as target:
        refusal = refused(client, target.on("/a", answer()))

        assert refusal.reason == f"the target's certificate is not valid: {kind}"
        assert not refusal.can_retry
        assert target.calls == []


def test_a_redirect_to_a_certificate_that_is_not_valid_fails_for_good(tmp_path: Path, client: HttpClient) -> None:
    context, _ = self_signed(tmp_path)
    with HttpTarget(tls=context) as untrusted, HttpTarget() as target:
        refusal = refused(client, target.on("/a", redirect(untrusted.on("/b", answer()))))

        assert not refusal.can_retry
        assert (refusal.redirects, refusal.final_origin) == (1, f"https://127.0.0.1:{untrusted.port}")


def test_the_setting_for_private_authorities_is_one_for_policies_and_cache_too(target: HttpTarget) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=5)
    target.on("/v1/cache", answer(201))
    target.on("/policy/r/g/n/1/evaluation", answer(body=b"true"))
    with closing(HttpClient(Dialler(permits=anywhere), clock=utc_now)) as calls:
        cache = CacheService(address=target.url(""), target=calls, clock=lambda: datetime.now(UTC), user_agent="test")
        cache.write("k", "1", namespace="", scope="", deadline=deadline)
    with closing(RemotePolicies(address=target.url(""), user_agent="test", clock=utc_now)) as policies:
        assert policies.evaluate("r/g/n/1", "{}", deadline=deadline) == "true"

    assert ask_endpoint(target.on("/keys", answer(body=b"{}")), "GET", seconds=5) == (200, b"{}")


def test_private_authorities_count_beside_the_public_ones(target: HttpTarget) -> None:
    authorities = [str(root["subject"]) for root in tls_context().get_ca_certs()]

    assert any("test target" in authority for authority in authorities)
    assert len(authorities) > 50


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_of_authorities_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: HttpClient, content: bytes | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)
    trust(file, monkeypatch)

    with HttpTarget() as target:
        refusal = refused(client, target.url("/a").replace("http:", "https:"))

    assert refusal.reason == "SSL_CERT_FILE names no file with certificates in PEM"
    assert refusal.can_retry


def test_a_target_that_speaks_no_tls_is_refused(client: HttpClient) -> None:
    with HttpTarget(instead_of_http=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as target:
        assert refused(client, f"https://127.0.0.1:{target.port}/a").reason == UNVERIFIED


def test_a_target_that_is_verified_is_called_on_one_connection(target: HttpTarget, client: HttpClient) -> None:
    large = '"' + "x" * 1_000_000 + '"'
    for behave in (chunks(b"[1]"), answer(), redirect("/echo", 307)):
        call(client, target.on("/a", behave))
    target.on("/echo", echo)

    assert call(client, target.on("/b", answer(body=large.encode())), body=large) == Answered(status=200, result=large)
    assert target.calls_to("/b")[0].body == large.encode()
    assert target.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(target: HttpTarget, client: HttpClient) -> None:
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
    target: HttpTarget, client: HttpClient, behave: Behaviour
) -> None:
    out_of_time(client, target.on("/a", behave))


def test_a_target_that_does_not_read_is_left_in_time(target: HttpTarget, client: HttpClient) -> None:
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
    target: HttpTarget, client: HttpClient, behave: Behaviour, reasons: list[str]
) -> None:
    refusal = refused(client, target.on("/a", behave))

    assert refusal.can_retry
    assert refusal.reason in reasons


def test_a_body_that_only_the_connection_ends_is_complete_only_if_tls_ended_it(
    target: HttpTarget, client: HttpClient
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

    # A cut connection cuts the number: nothing else says that there is more of it.
    refusal = refused(client, target.on("/cut", raw(head + b"\r\n12")))
    assert (refusal.reason, refusal.can_retry) == ("the target's answer broke off or is not valid HTTP", True)

    # Here the length does.
    assert call(client, target.on("/whole", raw(head + b"Content-Length: 2\r\n\r\n12"))).result == "12"


def test_a_handshake_that_is_broken_off_is_tried_again_later(client: HttpClient) -> None:
    with HttpTarget(instead_of_http=raw(b"\x16")) as target:
        refusal = refused(client, f"https://127.0.0.1:{target.port}/a")

    assert (refusal.reason, refusal.can_retry) == (CLOSED, True)
