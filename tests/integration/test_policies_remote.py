"""The policy service over HTTP: whatever it answers, or does not."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from task_service.adapters.policies.remote import RemotePolicies
from task_service.domain import json_text
from task_service.domain.call import CallRefused
from tests.support import behaviours
from tests.support.behaviours import answer, hang, in_turn
from tests.support.builders import NOW
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

POLICY = "repository/group/name/1.0"
PATH = f"/policy/{POLICY}/evaluation"


@pytest.fixture
def service() -> Iterator[HttpTarget]:
    with HttpTarget() as service:
        yield service


@pytest.fixture
def remote(service: HttpTarget) -> Iterator[RemotePolicies]:
    with closing(RemotePolicies(address=service.url(""), user_agent="task-service/test", clock=lambda: NOW)) as remote:
        yield remote


def evaluate(remote: RemotePolicies, policy: str = POLICY, text: str = '{"n":1}', *, seconds: float = 5) -> str:
    return remote.evaluate(policy, text, deadline=NOW + timedelta(seconds=seconds))


def refusal(remote: RemotePolicies, policy: str = POLICY, *, seconds: float = 5) -> CallRefused:
    with pytest.raises(CallRefused) as caught:
        evaluate(remote, policy, seconds=seconds)
    assert "127.0.0.1" not in caught.value.reason
    assert "target" not in caught.value.reason
    return caught.value


def test_the_input_goes_out_as_it_is_and_the_result_comes_back_as_it_is(
    service: HttpTarget, remote: RemotePolicies
) -> None:
    service.on(PATH, answer(body='{"b": 12345678901234567890, "a": 1.10, "é": "€"}'.encode()))

    result = evaluate(remote, text='{"n": 1e2, "é": "€"}')

    assert result == '{"b": 12345678901234567890, "a": 1.10, "é": "€"}'
    (call,) = service.calls
    assert (call.method, call.path, call.body.decode()) == ("POST", PATH, '{"n": 1e2, "é": "€"}')
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["User-Agent"] == "task-service/test"
    assert "Authorization" not in call.headers


@pytest.mark.parametrize("result", ["null", "[]", '"x"', "5"])
def test_any_json_is_a_result(service: HttpTarget, remote: RemotePolicies, result: str) -> None:
    service.on(PATH, answer(body=result.encode()))

    assert evaluate(remote) == result


def test_connections_are_kept(service: HttpTarget, remote: RemotePolicies) -> None:
    service.on(PATH, answer())

    for _ in range(5):
        evaluate(remote)

    assert service.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced(service: HttpTarget, remote: RemotePolicies) -> None:
    service.on(PATH, answer())
    evaluate(remote)
    service.disconnect()

    assert evaluate(remote) == "{}"


class Tokens:
    """A token that is numbered; a new one once it is forgotten."""

    def __init__(self, refusal: CallRefused | None = None) -> None:
        self.deadlines: list[datetime] = []
        self.number = 1
        self._refusal = refusal

    def __call__(self, deadline: datetime) -> str:
        self.deadlines.append(deadline)
        if self._refusal:
            raise self._refusal
        return f"token-{self.number}"

    def forget(self, token: str | None = None) -> None:
        assert token == f"token-{self.number}"
        self.number += 1


def sent(service: HttpTarget) -> list[str | None]:
    return [call.headers["Authorization"] for call in service.calls]


def test_the_token_goes_along(service: HttpTarget) -> None:
    tokens = Tokens()
    service.on(PATH, answer())
    with closing(RemotePolicies(address=service.url(""), user_agent="test", token=tokens, clock=lambda: NOW)) as remote:
        evaluate(remote)
        evaluate(remote)

    assert sent(service) == ["Bearer token-1", "Bearer token-1"]
    assert all(deadline > NOW for deadline in tokens.deadlines)


def test_a_token_that_is_not_accepted_is_replaced_once(service: HttpTarget) -> None:
    with closing(
        RemotePolicies(address=service.url(""), user_agent="test", token=Tokens(), clock=lambda: NOW)
    ) as remote:
        service.on(PATH, in_turn(answer(401), answer()))
        evaluate(remote)
        assert sent(service) == ["Bearer token-1", "Bearer token-2"]

        service.on(PATH, answer(401))
        assert not refusal(remote).can_retry
    assert sent(service)[2:] == ["Bearer token-2", "Bearer token-3"]


def test_without_a_token_nothing_is_sent(service: HttpTarget) -> None:
    tokens = Tokens(CallRefused("the token endpoint does not answer", can_retry=True))
    with closing(RemotePolicies(address=service.url(""), user_agent="test", token=tokens, clock=lambda: NOW)) as remote:
        assert refusal(remote).can_retry
    assert service.calls == []


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ("example/policy/1.0", "/policy/example/policy/1.0/evaluation"),
        ("a b/c%2Fd/é?x#y/1+0", "/policy/a%20b/c%252Fd/%C3%A9%3Fx%23y/1%2B0/evaluation"),
        ("r;x=1/g@h:80/n&m/..1", "/policy/r%3Bx%3D1/g%40h%3A80/n%26m/..1/evaluation"),
    ],
)
def test_a_name_is_quoted(service: HttpTarget, remote: RemotePolicies, policy: str, path: str) -> None:
    service.on(path, answer())

    assert evaluate(remote, policy) == "{}"
    assert [call.path for call in service.calls] == [path]


@pytest.mark.parametrize("policy", ["../../admin", "a/./b", "a//b", "/a", "a/", " ", "a/\ud800"])
def test_a_name_that_leads_elsewhere_is_never_sent(service: HttpTarget, remote: RemotePolicies, policy: str) -> None:
    refused = refusal(remote, policy)

    assert not refused.can_retry
    assert service.calls == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_service_that_has_trouble_is_asked_again_later(
    service: HttpTarget, remote: RemotePolicies, status: int
) -> None:
    service.on(PATH, answer(status, b'"later"'))

    refused = refusal(remote)

    assert (refused.can_retry, refused.response_code) == (True, status)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b'{"id":"1","kind":5,"message":"policy not found"}', "policy not found"),
        (403, b'{"id":"1","kind":3,"message":"policy is locked"}', "policy is locked"),
        (400, b"no JSON", "no JSON"),
        (401, b"", "null"),
        (404, b"[" * 2_000 + b"]" * 2_000, "[[["),
        (400, b'{"message": 5}', "message"),
        (404, b"x" * 5_000, "xxx"),
    ],
)
def test_what_the_service_refuses_fails_at_once_with_its_reason(
    service: HttpTarget, remote: RemotePolicies, status: int, body: bytes, said: str
) -> None:
    service.on(PATH, answer(status, body))

    refused = refusal(remote)

    assert (refused.can_retry, refused.response_code) == (False, status)
    assert f"the policy service answered {status} for policy {POLICY!r}: " in refused.reason
    assert said in refused.reason
    assert len(refused.reason) < 400


RUBBISH: dict[str, tuple[Behaviour, bool, str]] = {
    "HTML": (answer(body=b"<html>", content_type="text/html"), False, "the policy service's answer is not JSON"),
    "nothing": (answer(body=b""), False, "the policy service's answer is not JSON"),
    "204": (answer(204, b""), False, "the policy service's answer is not JSON"),
    "half": (answer(body=b'{"a":'), False, "the policy service's answer is not JSON"),
    "NaN": (answer(body=b"NaN"), False, "the policy service's answer is not JSON"),
    "304": (answer(304, b""), False, "the policy service answered 304"),
    "too much": (
        answer(body=b'"' + b"x" * json_text.MAX_BYTES + b'"'),
        False,
        f"the policy service answered with more than {json_text.MAX_BYTES} bytes",
    ),
    "no HTTP": (behaviours.garbage, True, "the policy service's answer broke off or is not valid HTTP"),
    "breaks off": (behaviours.short_body, True, "the policy service's answer broke off"),
    "closes": (behaviours.close, True, "the policy service closed the connection without an answer"),
    "resets": (behaviours.reset, True, "the policy service reset the connection"),
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_an_answer_that_is_no_result(service: HttpTarget, remote: RemotePolicies, kind: str) -> None:
    behave, can_retry, reason = RUBBISH[kind]
    service.on(PATH, behave)

    refused = refusal(remote)

    assert refused.reason.startswith(reason)
    assert refused.can_retry is can_retry


def test_a_service_that_is_not_there_is_asked_again_later() -> None:
    with HttpTarget() as gone:
        address = gone.url("")
    with closing(RemotePolicies(address=address, user_agent="test", clock=lambda: NOW)) as remote:
        refused = refusal(remote)

    assert refused.can_retry
    assert refused.reason == "the policy service could not be reached: connection refused"


@pytest.mark.parametrize("behave", [hang(), behaviours.drip_body(), behaviours.drip_header()])
def test_a_service_that_does_not_end_is_left_in_time(
    service: HttpTarget, remote: RemotePolicies, behave: Behaviour
) -> None:
    service.on(PATH, behave)
    started = time.monotonic()

    refused = refusal(remote, seconds=0.3)

    assert time.monotonic() - started < 1
    assert refused.can_retry
    assert refused.reason == "the policy service did not answer completely within 0.3 s"


def test_a_large_input_and_a_large_result(service: HttpTarget, remote: RemotePolicies) -> None:
    large = json.dumps("x" * 4_000_000)
    service.on(PATH, answer(body=large.encode()))

    assert evaluate(remote, text=large) == large
    assert service.calls[0].body.decode() == large
