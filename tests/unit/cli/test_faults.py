"""What can go wrong between taskctl and the service: each ends with one sentence and an exit code."""

from pathlib import Path

import pytest

from taskctl.api import Server
from taskctl.errors import NoAnswer
from taskctl.profiles import Connection
from tests.support import behaviours
from tests.support.behaviours import answer, close, drip_body, garbage, hang, raw, redirect, reset, short_body
from tests.support.certificates import self_signed
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl
from tests.support.wire import Behaviour

PATH = "/v1/tasks/t/cancel"


def cancel(target: HttpTarget, behaviour: Behaviour, patience: float = 5) -> NoAnswer:
    """The error of a request that is answered in this way."""
    target.on(PATH, behaviour)
    with pytest.raises(NoAnswer) as raised:
        Server(Connection(url=target.url("")), patience=patience).call("POST", PATH).object()
    return raised.value


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (close, "closes the connection without an answer"),
        (reset, "cannot be reached (Connection reset by peer)"),
        (garbage, "does not answer as an HTTP server does"),
        (short_body, "does not answer as an HTTP server does"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "it is not JSON"),
        (answer(body=b"<html>"), "it is not JSON"),
        (answer(body=b"[" * 200_000), "it is not JSON"),
        (answer(body=b"1" * 5_000), "it is not JSON"),
        (answer(body=b"\xff\xfe"), "it is not JSON"),
        (answer(body=b"[]"), "it has another form"),
        (behaviours.compressed(b"{}"), "it is not JSON"),
        (answer(500, b'{"message": "it broke"}'), "answers 500: it broke"),
        (answer(502, b"<html>"), "answers 502, which is no answer of the task service"),
        (answer(404, b"<html>nginx"), "answers 404, which is no answer of the task service"),
        (redirect("http://evil.example/\x1b"), "redirects to http://evil.example/"),
    ],
)
def test_a_service_that_answers_badly(behaviour: Behaviour, problem: str, scripted: HttpTarget) -> None:
    error = cancel(scripted, behaviour)
    assert problem in str(error)
    assert error.next_step
    assert "\n" not in str(error)


@pytest.mark.parametrize("behaviour", [hang(), drip_body(0.05)])
def test_a_slow_service_is_given_up_in_time(behaviour: Behaviour, scripted: HttpTarget) -> None:
    assert "in time" in str(cancel(scripted, behaviour, patience=0.3))


def test_an_endless_answer_is_given_up(scripted: HttpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskctl.api.LARGEST_ANSWER", 100_000)
    assert "it has more than 100000 bytes" in str(cancel(scripted, answer(body=b" " * 200_000)))


def test_nothing_listens() -> None:
    ran = taskctl("http://127.0.0.1:1", "cancel", "t")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        "error: 127.0.0.1:1 cannot be reached (Connection refused); "
        "check the URL (--url, TASKCTL_URL or a profile), and that the service runs.\n"
    )


def test_errors_are_json_for_scripts() -> None:
    ran = taskctl("http://127.0.0.1:1", "cancel", "t", "-o", "json")
    assert '"exitCode": 5}' in ran.err
    assert '{"error": "127.0.0.1:1 cannot be reached (Connection refused)", "nextStep": "check' in ran.err


@pytest.mark.parametrize(("status", "token"), [(401, ""), (403, "secret-token")])
def test_a_token_is_asked_for_and_never_shown(status: int, token: str, scripted: HttpTarget) -> None:
    scripted.on(PATH, answer(status, b'{"message": "no"}'))
    ran = taskctl(scripted.url(""), "cancel", "t", TASKCTL_TOKEN=token)
    assert ran.code == 4
    assert ran.err == (
        f"error: the service refuses the request ({status}: no); give {'another token' if token else 'a token'} "
        "with TASKCTL_TOKEN or a profile, or check the URL.\n"
    )
    assert scripted.calls[0].headers.get("Authorization") == (f"Bearer {token}" if token else None)


def test_a_token_is_not_taken_from_netrc_and_not_sent_after_a_redirect(
    scripted: HttpTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    scripted.on(PATH, redirect(scripted.url("/other")))

    assert taskctl(scripted.url(""), "cancel", "t").code == 5

    assert [(call.path, call.headers.get("Authorization")) for call in scripted.calls] == [(PATH, None)]


class TestCertificates:
    def test_one_that_is_not_known_is_refused_and_can_be_trusted(self, tmp_path: Path) -> None:
        context, certificate = self_signed(tmp_path)
        with HttpTarget(tls=context) as target:
            target.on(PATH, answer(body=b'{"id": "t", "status": "cancelled"}'))
            refused = taskctl(target.url(""), "cancel", "t")
            trusted = taskctl(target.url(""), "cancel", "t", "--ca-file", str(certificate))

        assert refused.code == 5
        assert (
            "is not accepted (self-signed certificate); name its authority's certificate with --ca-file" in refused.err
        )
        assert (trusted.code, trusted.out) == (0, "t  cancelled\n")

    def test_a_server_without_tls_is_told(self) -> None:
        with HttpTarget(instead_of_http=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as target:
            ran = taskctl(target.url("").replace("http:", "https:"), "cancel", "t")
        assert (ran.code, "does not speak TLS as expected (WRONG_VERSION_NUMBER)" in ran.err) == (5, True)

    def test_a_file_that_is_none_is_named(self, tmp_path: Path) -> None:
        ran = taskctl("https://127.0.0.1:1", "cancel", "t", "--ca-file", str(tmp_path / "no.pem"))
        assert (ran.code, "there is no file of certificates" in ran.err) == (2, True)

    def test_a_file_without_certificates_is_named(self, tmp_path: Path) -> None:
        context, _ = self_signed(tmp_path)
        (tmp_path / "empty.pem").write_text("")
        with HttpTarget(tls=context) as target:
            ran = taskctl(target.url(""), "cancel", "t", "--ca-file", str(tmp_path / "empty.pem"))
        assert (ran.code, ran.err.count("\n")) == (5, 1)


def test_pages_that_do_not_end_are_given_up(scripted: HttpTarget) -> None:
    scripted.on("/v1/policies", answer(body=b'{"items": [], "next": "again"}'))
    ran = taskctl(scripted.url(""), "ls", "policies")
    assert (ran.code, "its pages do not end" in ran.err) == (5, True)
    assert len(scripted.calls) == 2
