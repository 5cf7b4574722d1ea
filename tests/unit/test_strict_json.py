"""JSON that the service reads itself: what can be understood in two ways is refused, and says why in our own words."""

import json
from typing import Any

import pytest
from hypothesis import given

from task_service.adapters.http.endpoint import EndpointFailed
from task_service.adapters.identity.jwks import parse
from task_service.adapters.identity.oauth import _token
from task_service.domain.json_text import InvalidJson
from task_service.domain.messages import from_text
from task_service.domain.strict_json import AmbiguousJson, loads
from tests.support.builders import NOW
from tests.unit.test_api import World
from tests.unit.test_json_text import values


@given(values)
def test_what_is_unambiguous_is_read_as_ever(value: Any) -> None:
    text = json.dumps(value)
    assert loads(text) == loads(text.encode()) == loads(b"\xef\xbb\xbf" + text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ('{"a": 1, "a": 1}', "a"),
        ('{"a": 1, "b": 2, "b": 3, "a": 4}', "a"),
        (r'{"a": 1, "\u0061": 2}', "a"),
        ('[{"x": [{"": 1, "": 2}]}]', ""),
        ('{"a": {"k": 1, "k": {}}}', "k"),
        ('{"é": 1, "\\u00e9": 2}', "é"),
        ('{"' + "n" * 1_000 + '": 1, "' + "n" * 1_000 + '": 2}', "n" * 80),
    ],
)
def test_a_member_that_is_there_twice_is_refused_and_named(text: str, member: str) -> None:
    for form in (text, text.encode()):
        with pytest.raises(AmbiguousJson) as refusal:
            loads(form)
        assert str(refusal.value) == f"the member {member!r} is there twice"


@pytest.mark.parametrize(
    "text", ['{"a": 1, "A": 2}', '{"a": {"a": 1}}', '[{"a": 1}, {"a": 1}]', '{"e\u0301": 1, "é": 2}']
)
def test_members_of_other_names_or_objects_are_others(text: str) -> None:
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9" * 4_301, "a number has 4301 digits, at most 4300 are allowed"),
        ('{"a": [-' + "1" * 10_000 + "]}", "a number has 10000 digits, at most 4300 are allowed"),
        ("1e999", "a number is larger than any that can be calculated with, 1.8e308"),
        ("-1.5E+400", "a number is larger than any that can be calculated with, 1.8e308"),
        ("9" * 400 + ".0", "a number is larger than any that can be calculated with, 1.8e308"),
        ("NaN", "NaN is not a JSON value"),
        ("[-Infinity]", "-Infinity is not a JSON value"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("", "Expecting value at line 1 column 1"),
        ('{"a" 1}', "Expecting ':' delimiter at line 1 column 6"),
        ("{} {}", "Extra data at line 1 column 4"),
        ("\ufeff{}", "byte order mark at line 1 column 1"),
    ],
)
def test_the_fault_is_told_in_our_own_words(text: str, words: str) -> None:
    with pytest.raises(InvalidJson) as refusal:
        loads(text)
    assert str(refusal.value) == words


@pytest.mark.parametrize("digits", [1, 4_299, 4_300])
def test_a_number_within_the_bound_is_read(digits: int) -> None:
    assert loads("9" * digits) == int("9" * digits)
    assert loads("-" + "9" * digits) == -int("9" * digits)


@pytest.mark.parametrize(
    "content", [b"\xff", b'{"a": "\xc3"}', '{"a": "ü"}'.encode("latin-1"), "{}".encode("utf-16"), "{}".encode("utf-32")]
)
def test_bytes_are_utf_8(content: bytes) -> None:
    with pytest.raises(InvalidJson):
        loads(content)


class TestReaders:
    """Everything that the service reads from others goes through it."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"id": "a", "attempt": 1, "attempt": 2}',
            '{"list": "a", "list": "b", "group": 0, "failedBefore": false}',
            '{"cache": "a", "isList": true, "namespace": "", "scope": "", "scope": "x", "attempt": 1}',
            '{"id": "a", "attempt": ' + "1" * 5_000 + "}",
        ],
    )
    def test_queue_messages(self, text: str) -> None:
        with pytest.raises(AmbiguousJson):
            from_text(text)

    @pytest.mark.parametrize(
        "text", [b'{"keys": [], "keys": []}', b'{"keys": [{"kty": "RSA", "kid": "a", "kid": "b"}]}']
    )
    def test_key_sets(self, text: bytes) -> None:
        with pytest.raises(AmbiguousJson):
            parse(text)

    @pytest.mark.parametrize(
        "text",
        [
            b'{"access_token": "a", "access_token": "b", "token_type": "bearer"}',
            b'{"access_token": "a", "expires_in": 1, "expires_in": 2}',
        ],
    )
    def test_answers_of_the_token_endpoint(self, text: bytes) -> None:
        with pytest.raises(EndpointFailed, match="is there twice"):
            _token(text, NOW)


LONG = "9" * 4_301


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("taskTemplates/t", '{"url": "http://a/", "method": "GET", "url": "http://b/"}', "template: the member 'url' "),
        (
            "taskTemplates/t",
            '{"requestPolicy": "a/b/c/1", "headers": {"X": "a", "X": "b"}}',
            "template: the member",
        ),
        (
            "taskTemplates/t",
            '{"requestPolicy": "a/b/c/1", "retry": {"max": 1, "max": 2}}',
            "template: the member",
        ),
        ("taskTemplates/t", f'{{"requestPolicy": "a/b/c/1", "timeoutSeconds": {LONG}}}', "template: a number has 4301"),
        ("taskTemplates/t", '{"timeoutSeconds": 1e999}', "template: a number is larger than any"),
        (
            "taskListTemplates/l",
            '{"groups": [], "groups": [{"execution": "parallel"}]}',
            "template: the member",
        ),
        ("taskListTemplates/l", '{"groups": [{"tasks": ["a"], "tasks": []}]}', "template: the member 'tasks'"),
        ("policies/r/g/n/1", '{"source": "a", "source": "b"}', "policy: the member 'source'"),
        ("policies/r/g/n/1", '{"source": "a", "data": {"k": {"x": 1, "x": 1}}}', "policy: the member 'x'"),
        ("policies/r/g/n/1", f'{{"source": "a", "data": {{"k": -{LONG}}}}}', "policy: a number has 4301 digits"),
        ("eventTasks", '{"key": "a", "key": "b", "taskName": "t"}', "event task: the member 'key'"),
        ("eventTasks", f'{{"key": {LONG}}}', "event task: a number has 4301 digits"),
    ],
)
def test_documents_that_clients_write(path: str, body: str, message: str) -> None:
    world = World()
    answer = world.ask("PUT", f"/v1/{path}", body=body)
    assert answer.status == 400
    assert answer.json["message"].startswith(message)


@pytest.mark.parametrize("body", ['{"name": "a", "name": "b"}', f'{{"name": "a", "limit": {LONG}}}'])
def test_requests_for_replays(body: str) -> None:
    answer = World().ask("POST", "/v1/replays", body=body)
    assert (answer.status, answer.json["message"].split(": ")[0]) == (400, "replays")


def test_a_tasks_body_stays_as_it_is() -> None:
    world = World()
    body = f'{{"a": 1, "a": {LONG}, "b": 1e999}}'
    assert world.ask("POST", "/v1/task/greet", body=body).status == 200
    (task,) = world.tasks.records.values()
    assert task.request is not None
    assert world.bodies.load(task.request) == body
