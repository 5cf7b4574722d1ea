"""What tasks do to their targets, and what they make of the answers."""

import socket
from typing import Final

import pytest

from task_service import VERSION
from tests.support import behaviours
from tests.support.api import Api
from tests.support.behaviours import answer, echo, failing, in_turn, redirect
from tests.support.targets import HttpTarget

MAX_BYTES: Final = 5_000_000

NO_DELAY: Final = {"minDelaySeconds": 0, "maxDelaySeconds": 0}


def test_a_call_carries_the_headers_that_targets_need(api: Api, target: HttpTarget) -> None:
    headers = {"X-Tenant": "räume", "Accept": "application/json"}
    task_id = api.create(api.template(target.on("/", answer()), headers=headers))
    api.done(task_id)
    [call] = target.calls
    assert call.method == "POST"
    assert call.idempotency_key == task_id
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["User-Agent"] == f"task-service/{VERSION}"
    assert call.headers["Accept"] == "application/json"
    assert call.headers["X-Tenant"] == "räume"
    assert call.headers["Content-Length"] == "2"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_and_head_are_sent_without_a_body(api: Api, target: HttpTarget, method: str) -> None:
    task_id = api.create(api.template(target.on("/", echo), method=method), '{"a":1}')
    api.done(task_id)
    [call] = target.calls
    assert (call.method, call.body, call.headers["Content-Type"]) == (method, b"", None)
    assert call.headers["Content-Length"] in (None, "0")
    assert call.idempotency_key == task_id


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "post"])
def test_other_methods_are_sent_with_the_body(api: Api, target: HttpTarget, method: str) -> None:
    api.done(api.create(api.template(target.on("/", answer()), method=method), '{"a":1}'))
    assert [(call.method, call.body) for call in target.calls] == [(method.upper(), b'{"a":1}')]


def test_the_query_of_a_url_is_kept(api: Api, target: HttpTarget) -> None:
    target.on("/a%20b", answer())
    api.done(api.create(api.template(target.url("/a%20b?q=%2F+1&q=2"))))
    assert [call.path for call in target.calls] == ["/a%20b?q=%2F+1&q=2"]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b'{"a":1}'), (308, "POST", b'{"a":1}')],
)
def test_a_redirect_is_followed_as_requests_does(
    api: Api, target: HttpTarget, status: int, method: str, body: bytes
) -> None:
    target.on("/new", answer(body=b'"moved"'))
    task_id = api.create(api.template(target.on("/old", redirect("/new", status))), '{"a":1}')
    assert api.done(task_id)["responseCode"] == 200
    assert api.result(task_id).json() == "moved"
    first, second = target.calls
    assert (first.path, second.path, second.method, second.body) == ("/old", "/new", method, body)
    assert second.idempotency_key == task_id


def test_redirects_without_an_end_fail_the_task_at_once(api: Api, target: HttpTarget) -> None:
    status = api.failed(api.create(api.template(target.on("/", redirect("/")))))
    assert (status["attempts"], status["error"]) == (1, "the target redirects too often")


@pytest.mark.parametrize(
    "body",
    [
        "1",
        '"text"',
        "null",
        "false",
        "[1,2]",
        '["a",null,1.50]',
        "123456789012345678901234567890",
        "1e400",
        '{ "b":1, "a":2,\n "b":3 }',
        r'"\u0041\/"',
        '{"grüße":"😀"}',
    ],
)
def test_a_json_answer_is_the_result_to_the_byte(api: Api, target: HttpTarget, body: str) -> None:
    task_id = api.create(api.template(target.on("/", answer(body=body.encode()))))
    api.done(task_id)
    result = api.result(task_id)
    assert (result.status, result.body) == (200, body.encode())
    assert result.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "result"),
    [
        (200, "text/html", b"<!doctype html><p>hi</p>", "<!doctype html><p>hi</p>"),
        (200, "text/plain", b'say "hi"\n', 'say "hi"\n'),
        (200, "text/plain; charset=iso-8859-1", b"gr\xfc\xdfe", "grüße"),
        (200, None, "grüße".encode(), "grüße"),
        (200, "application/json", b"{", "{"),
        (200, "application/json", b"NaN", "NaN"),
        (200, "application/json", b"{}{}", "{}{}"),
        (200, "application/octet-stream", b"a\xffb", "a\ufffdb"),
        (200, "text/plain", b"", None),
        (204, None, b"", None),
        (201, "text/plain", b"17", 17),
    ],
)
def test_an_answer_that_is_no_json_becomes_json(
    api: Api, target: HttpTarget, status: int, content_type: str | None, body: bytes, result: object
) -> None:
    task_id = api.create(api.template(target.on("/", answer(status, body, content_type=content_type))))
    assert api.done(task_id)["responseCode"] == status
    assert api.result(task_id).json() == result
    assert len(target.calls) == 1


@pytest.mark.parametrize("status", [304, 400, 401, 404, 409, 422])
def test_a_status_that_no_retry_would_change_finishes_the_task(api: Api, target: HttpTarget, status: int) -> None:
    body = b"" if status == 304 else b'{"reason":"no"}'
    task_id = api.create(api.template(target.on("/", answer(status, body))))
    assert api.done(task_id)["responseCode"] == status
    assert api.result(task_id).json() == (None if status == 304 else {"reason": "no"})
    assert len(target.calls) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 599])
def test_a_status_that_says_later_is_tried_again(api: Api, target: HttpTarget, status: int) -> None:
    url = target.on("/", failing(1, answer(), status=status))
    task_id = api.create(api.template(url, retry={"maxAttempts": 2, **NO_DELAY}))
    ended = api.done(task_id)
    assert (ended["attempts"], ended["responseCode"], ended["error"]) == (2, 200, None)
    assert [call.idempotency_key for call in target.calls] == [task_id, task_id]


@pytest.mark.parametrize(
    ("accept", "status", "state", "calls"),
    [
        (["*"], 500, "done", 1),
        (["5xx"], 503, "done", 1),
        ([404], 404, "done", 1),
        (["2xx"], 404, "failed", 1),
        (["200"], 500, "failed", 2),
        ([200], 201, "failed", 1),
    ],
)
def test_a_template_says_which_statuses_finish_its_tasks(
    api: Api, target: HttpTarget, accept: list[int | str], status: int, state: str, calls: int
) -> None:
    url = target.on("/", answer(status, b'"body"'))
    task_id = api.create(api.template(url, acceptStatus=accept, retry={"maxAttempts": 2, **NO_DELAY}))
    ended = api.ended(task_id)
    assert (ended["status"], ended["responseCode"], len(target.calls)) == (state, status, calls)
    if state == "done":
        assert api.result(task_id).json() == "body"
    else:
        assert ended["error"].startswith(f'the target answered {status}: "body"')


def test_an_unreachable_target_fails_the_task_and_its_address_is_not_told(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    task_id = api.create(api.template(f"http://127.0.0.1:{port}/", retry={"maxAttempts": 2, **NO_DELAY}))
    status = api.failed(task_id)
    assert (status["attempts"], status["responseCode"]) == (2, None)
    assert status["error"] == "the target could not be reached: connection refused (attempt 2 of 2)"


@pytest.mark.parametrize("policy", ["requestPolicy", "responsePolicy", "finalPolicy"])
def test_a_policy_that_cannot_be_evaluated_fails_the_task_at_once(api: Api, target: HttpTarget, policy: str) -> None:
    name = api.template(target.on("/", answer()), **{policy: "policies/example/greet/1.0"})
    status = api.failed(api.create(name))
    assert status["attempts"] == 1
    assert "policies/example/greet/1.0" in status["error"]
    # With a request policy, the URL and the method are not looked at.
    assert len(target.calls) == (0 if policy == "requestPolicy" else 1)


def test_five_megabytes_go_to_the_target_and_come_back_as_they_are(api: Api, target: HttpTarget) -> None:
    unit = '{"n":9007199254740993,"text":"grüße 😀 \\"quoted\\""},'
    body = "[" + unit * 20_000
    body += '"' + "a" * (MAX_BYTES - len(body.encode()) - 3) + '"]'
    assert len(body.encode()) == MAX_BYTES
    back = "[" + "1," * (MAX_BYTES // 2 - 2) + "10]"
    assert len(back) == MAX_BYTES
    task_id = api.create(api.template(target.on("/", answer(body=back.encode()))), body)
    api.done(task_id)
    assert target.calls[0].body == body.encode()
    assert api.result(task_id).body == back.encode()


def test_a_result_that_is_too_large_fails_the_task_with_the_reason(api: Api, target: HttpTarget) -> None:
    too_large = b'"' + b"a" * (MAX_BYTES - 1) + b'"'
    status = api.failed(api.create(api.template(target.on("/", answer(body=too_large)))))
    assert status["attempts"] == 1
    assert "5000000 bytes" in status["error"]


def test_a_compressed_answer_is_unpacked(api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/", behaviours.compressed(b'{"a":1.0}'))))
    api.done(task_id)
    assert api.result(task_id).body == b'{"a":1.0}'


def test_cookies_of_one_task_are_not_sent_by_another(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer(headers={"Set-Cookie": "session=1"})))
    for _ in range(3):
        api.done(api.create(name))
    assert [call.headers["Cookie"] for call in target.calls] == [None] * 3


def test_a_changed_template_changes_no_task_under_way(api: Api, target: HttpTarget) -> None:
    name = api.template(
        target.on("/old", in_turn(answer(503), answer(body=b'"old"'))),
        retry={"maxAttempts": 2, "minDelaySeconds": 1, "maxDelaySeconds": 1},
    )
    task_id = api.create(name)
    target.wait_for_calls(1)
    api.template(target.on("/new", answer(body=b'"new"')), name=name)
    api.done(task_id)
    assert api.result(task_id).json() == "old"
    assert not target.calls_to("/new")
