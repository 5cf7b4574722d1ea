"""Writing task templates: validated, versioned, paged."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from socket import AddressFamily, SocketKind
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import Egress
from task_service.domain.call import CallRefused, HttpCall
from task_service.domain.errors import BadRequest, NotFound, PreconditionFailed, TooLarge, TurnedOff
from task_service.domain.limits import MAX_DOCUMENT_BYTES
from task_service.domain.paging import PageRequest, decode_cursor, encode_cursor
from task_service.domain.template import RetryPolicy, StoredTemplate, TaskTemplate
from task_service.schemas.policy import validate_policy
from task_service.schemas.template import validate_list_template, validate_task_template
from task_service.testing import FakeClock, InMemoryTemplates
from task_service.usecases.edit_templates import TemplateEditor, Validate
from task_service.wiring.services import utc_now
from tests.support.builders import template_cache

CALL = {"url": "https://api.example/x", "method": "POST"}


@pytest.fixture
def templates() -> InMemoryTemplates:
    return InMemoryTemplates()


@pytest.fixture
def editing(templates: InMemoryTemplates) -> TemplateEditor:
    return editor(templates)


VALIDATE_TASK: Validate = partial(validate_task_template, longest_timeout=timedelta(seconds=50))


def editor(templates: InMemoryTemplates, *, writes: bool = True, validate: Validate = VALIDATE_TASK) -> TemplateEditor:
    return TemplateEditor(
        noun="task template",
        templates=templates,
        cache=template_cache(templates, FakeClock()),
        writes=writes,
        validate=validate,
    )


def parsed(stored: StoredTemplate) -> TaskTemplate:
    return TaskTemplate.from_text(stored.document)


def test_a_template_is_stored_as_written_without_what_is_not_set(editing: TemplateEditor) -> None:
    stored, is_new = editing.put("x", json.dumps({**CALL, "requestPolicy": "", "cacheScope": None, "method": "post"}))
    assert is_new
    assert json.loads(stored.document) == {"name": "x", "url": "https://api.example/x", "method": "POST"}


def test_every_member_arrives(editing: TemplateEditor) -> None:
    members: dict[str, Any] = {
        **CALL,
        "name": "x",
        "responsePolicy": "r",
        "finalPolicy": "f",
        "cacheNamespace": "n",
        "cacheScope": "s",
        "headers": {"Authorization": "Basic abc"},
        "timeoutSeconds": 2.5,
        "retry": {"maxAttempts": 4, "minDelaySeconds": 0.5, "maxDelaySeconds": 8},
        "acceptStatus": [200, "4xx", "*"],
    }
    template = parsed(editing.put("x", json.dumps(members))[0])
    assert template.timeout == timedelta(seconds=2.5)
    assert template.retry == RetryPolicy(
        max_attempts=4, min_delay=timedelta(seconds=0.5), max_delay=timedelta(seconds=8)
    )
    assert template.accept_status == ("200", "4xx", "*")
    assert template.headers == {"Authorization": "Basic abc"}
    assert (template.response_policy, template.final_policy) == ("r", "f")
    assert (template.cache_namespace, template.cache_scope) == ("n", "s")


def test_an_exported_template_of_the_first_generation_is_accepted(editing: TemplateEditor) -> None:
    exported = {
        "_id": {"$oid": "63fa2f16b70ed89144e3710f"},
        "cacheNamespace": "",
        "cacheScope": "",
        "finalPolicy": "",
        "method": "GET",
        "name": "policyTask",
        "requestPolicy": "example/example/1.0",
        "responsePolicy": "",
        "url": "",
    }
    stored, _ = editing.put("policyTask", json.dumps(exported))
    assert parsed(stored).request_policy == "example/example/1.0"


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({}, "either requestPolicy, or both url and method are needed"),
        ({"url": "https://a.example"}, "either requestPolicy, or both url and method"),
        ({"url": "", "method": "GET"}, "either requestPolicy, or both url and method"),
        ({**CALL, "method": "BREW"}, "method: one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS is allowed"),
        ({**CALL, "url": "ftp://a.example"}, "url: the scheme 'ftp' is not supported; http://host/"),
        ({**CALL, "url": "a.example/x"}, "url: the scheme is missing"),
        ({**CALL, "url": "https:///x"}, "url: the host is missing"),
        ({**CALL, "url": "https://a.example:99999"}, "url: Port out of range"),
        ({**CALL, "url": "https://a b/"}, "url: white space"),
        ({**CALL, "url": 7}, "url: Input should be a valid string"),
        ({**CALL, "url": "https://a..b/"}, "url: 'a..b' is not the name of a host"),
        ({**CALL, "url": f"https://{'a' * 64}.example/"}, "is not the name of a host; parts of 1 to 63 letters"),
        ({**CALL, "url": "https://1.2.3.4.5/"}, "neither the name of a host nor an IPv4 address"),
        ({**CALL, "url": "https://a.example/100%"}, "url: a % without two hexadecimal digits after it is not"),
        ({**CALL, "url": "https://a.example/{id}"}, "url: the character { is not part of a URL, %7B is"),
        ({**CALL, "url": "https://u%3Av:p@a.example/"}, "nor is a colon part of a user"),
        (
            {**CALL, "url": "https://u:p@a.example/", "headers": {"authorization": "Bearer x"}},
            "either a user in the url, or the header Authorization is allowed, not both",
        ),
        ({**CALL, "redirects": "no"}, "redirects: Input should be a valid boolean"),
        ({**CALL, "redirects": 0}, "redirects: Input should be a valid boolean"),
        ({**CALL, "timeoutSeconds": 1e-9}, "timeoutSeconds: at least 0.1 is allowed"),
        ({**CALL, "timeoutSeconds": 0.09}, "timeoutSeconds: at least 0.1 is allowed"),
        ({**CALL, "timeoutSeconds": True}, "timeoutSeconds: Input should be a valid number"),
        ({**CALL, "timeoutSeconds": "5"}, "timeoutSeconds: Input should be a valid number"),
        ({**CALL, "timeoutSeconds": "1_0"}, "timeoutSeconds: Input should be a valid number"),
        ({**CALL, "retry": {"minDelaySeconds": True}}, "retry.minDelaySeconds: Input should be a valid number"),
        ({**CALL, "retry": {"minDelaySeconds": "5"}}, "retry.minDelaySeconds: Input should be a valid number"),
        ({**CALL, "retry": {"maxDelaySeconds": "1_0"}}, "retry.maxDelaySeconds: Input should be a valid number"),
        ({**CALL, "retry": {"maxAttempts": True}}, "retry.maxAttempts: Input should be a valid integer"),
        ({**CALL, "retry": {"maxAttempts": "5"}}, "retry.maxAttempts: Input should be a valid integer"),
        ({**CALL, "acceptStatus": [True]}, "is not a status; 100 to 599"),
        ({**CALL, "headers": {"X-A": " a"}}, "headers: X-A: spaces and tabs are not sent at the ends of a value"),
        ({**CALL, "headers": {"X-A": "a\t"}}, "headers: X-A: spaces and tabs are not sent at the ends of a value"),
        ({**CALL, "headers": {"X-A": "1", "x-a": "2"}}, "headers: X-A and x-a are one header"),
        ({**CALL, "headers": {"Accept-Encoding": "br"}}, "Accept-Encoding: 'br' cannot be decoded; gzip, x-gzip"),
        ({**CALL, "color": "red"}, "color: is not a member of a template; name, url, method"),
        ({**CALL, "name": "y"}, "name: 'y' is not the name in the path, 'x'"),
        ({**CALL, "timeoutSeconds": 0}, "timeoutSeconds: Input should be greater than 0"),
        ({**CALL, "timeoutSeconds": 51}, "timeoutSeconds: at most 50 is allowed in this deployment"),
        ({**CALL, "retry": {"maxAttempts": 0}}, "retry.maxAttempts: Input should be greater than or equal to 1"),
        ({**CALL, "retry": {"maxAttempts": 1.5}}, "retry.maxAttempts: Input should be a valid integer"),
        ({**CALL, "retry": {"times": 1}}, "retry.times: is not a member of it"),
        ({**CALL, "retry": {"minDelaySeconds": 9, "maxDelaySeconds": 1}}, "minDelaySeconds cannot be greater"),
        ({**CALL, "acceptStatus": ["6xx"]}, "acceptStatus: '6xx' is not a status; 100 to 599"),
        ({**CALL, "acceptStatus": 200}, "acceptStatus: Input should be a valid list"),
        ({**CALL, "headers": {"a b": "1"}}, "headers: 'a b' is not a header name"),
        ({**CALL, "headers": {"A": "1\r\nB: 2"}}, "headers: A: characters of ISO 8859-1"),
        ({**CALL, "headers": {"Content-Length": "1"}}, "Content-Length is set by the service itself"),
        ({**CALL, "headers": {"Idempotency-Key": "1"}}, "Idempotency-Key is set by the service itself"),
        (
            {**CALL, "cacheNamespace": "a\nb"},
            "cacheNamespace: Unicode text without control characters, and without spaces",
        ),
        ({**CALL, "cacheNamespace": "a\x7f"}, "cacheNamespace: Unicode text without control characters"),
        ({**CALL, "cacheScope": "a\x85"}, "cacheScope: Unicode text without control characters"),
        (
            {**CALL, "cacheScope": " a"},
            "cacheScope: Unicode text without control characters, and without spaces or tabs",
        ),
        (
            {**CALL, "cacheScope": "a\t"},
            "cacheScope: Unicode text without control characters, and without spaces or tabs",
        ),
    ],
)
def test_a_faulty_template_is_refused_with_member_fault_and_what_is_allowed(
    editing: TemplateEditor, templates: InMemoryTemplates, members: dict[str, Any], fault: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        editing.put("x", json.dumps(members))
    assert fault in refusal.value.message
    assert templates.records == {}


def test_of_many_faults_some_are_described(editing: TemplateEditor) -> None:
    with pytest.raises(BadRequest, match=r"^m0: is not a member of a template") as refusal:
        editing.put("x", json.dumps({**CALL, **{f"m{number}": 1 for number in range(10_000)}}))
    assert len(refusal.value.message) <= BadRequest.LONGEST


@pytest.mark.parametrize("seconds", [0.1, 1, 1.5, 50])
def test_numbers_are_numbers_with_and_without_a_fraction(editing: TemplateEditor, seconds: float) -> None:
    retry = {"minDelaySeconds": seconds, "maxAttempts": 2}
    stored, _ = editing.put("x", json.dumps({**CALL, "timeoutSeconds": seconds, "retry": retry}))
    assert parsed(stored).timeout == parsed(stored).retry.min_delay == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("members", "redirects"), [({}, True), ({"redirects": True}, True), ({"redirects": False}, False)]
)
def test_a_template_may_want_no_redirects(editing: TemplateEditor, members: dict[str, Any], redirects: bool) -> None:
    stored, _ = editing.put("x", json.dumps({**CALL, **members}))
    assert parsed(stored).redirects == redirects
    assert json.loads(stored.document).get("redirects") == members.get("redirects")


TRICKY = st.sampled_from(list("/?#%@:[]\\ \t.&=aA1ß€\u200d\ud7ff\x7f{|}")) | st.characters(exclude_categories=["Cs"])
NAMES = st.sampled_from(["X-A", "x-a", "Accept", "Authorization", "authorization", "Accept-Encoding"]) | st.text(
    max_size=3
)


@given(
    place=st.text(TRICKY, max_size=12),
    path=st.text(TRICKY, max_size=12),
    headers=st.dictionaries(NAMES, st.text(TRICKY, max_size=6), max_size=3),
)
def test_what_is_accepted_is_what_the_client_can_send(place: str, path: str, headers: dict[str, str]) -> None:
    members = {"url": f"http://{place}/{path}", "method": "POST", "headers": headers}
    try:
        document = validate_task_template("x", json.dumps(members), longest_timeout=timedelta(seconds=50))
    except BadRequest:
        return
    template = TaskTemplate.from_text(json.dumps(document))
    call = HttpCall(method="POST", url=template.url, headers=dict(template.headers), body=None)
    address = (AddressFamily.AF_INET, SocketKind.SOCK_STREAM, 6, "", ("10.0.0.1", 80))
    client = HttpClient(Dialler(permits=Egress().permits, resolve=lambda host, port: [address]), clock=utc_now)

    with pytest.raises(CallRefused, match="EGRESS_ALLOW"):
        client.call(call, deadline=datetime.now(UTC) + timedelta(seconds=5))


@pytest.mark.parametrize("name", ["Zürich", "東京", "a b\tc", "\u3000"])
def test_a_cache_name_can_be_any_text(editing: TemplateEditor, name: str) -> None:
    stored, _ = editing.put("x", json.dumps({**CALL, "cacheNamespace": name, "cacheScope": name}))
    assert (parsed(stored).cache_namespace, parsed(stored).cache_scope) == (name, name)


def test_several_faults_are_told_together(editing: TemplateEditor) -> None:
    with pytest.raises(BadRequest, match=r"method: .*; timeoutSeconds: "):
        editing.put("x", json.dumps({**CALL, "method": "BREW", "timeoutSeconds": -1}))


@pytest.mark.parametrize(
    "payload", ["[]", '"x"', "null", "oops", "", "[" * 9_000 + "]" * 9_000, '{"name": ' + "9" * 5_000 + "}"]
)
def test_what_is_no_object_is_refused(editing: TemplateEditor, payload: str) -> None:
    with pytest.raises(BadRequest):
        editing.put("x", payload)


def test_a_template_larger_than_a_record_is_refused(editing: TemplateEditor) -> None:
    with pytest.raises(TooLarge, match="larger than 300000 bytes"):
        editing.put("x", json.dumps({**CALL, "requestPolicy": "p" * 300_000}))


GROUP: dict[str, Any] = {"execution": "parallel", "tasks": ["a"]}


@pytest.mark.parametrize(
    ("validate", "members", "at_fault"),
    [
        (VALIDATE_TASK, {"requestPolicy": "\udfff"}, "requestPolicy"),
        (VALIDATE_TASK, {**CALL, "cacheScope": "a\ud800b"}, "cacheScope"),
        (VALIDATE_TASK, {**CALL, "\ud800": 1}, r"\ud800"),
        (validate_list_template, {"groups": [{**GROUP, "finalPolicy": "\ud800"}]}, "groups"),
        (validate_list_template, {"groups": [GROUP], "cacheNamespace": "\udc00\ud800"}, "cacheNamespace"),
        (validate_policy, {"source": "x", "data": {"a": [{"b": "\ud800"}]}}, "data"),
        (validate_policy, {"source": "x", "data": {"a": {"\ud800": 1}}}, "data"),
        (validate_policy, {"source": "\ud800"}, "source"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_member(
    templates: InMemoryTemplates, validate: Validate, members: dict[str, Any], at_fault: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        editor(templates, validate=validate).put("r/g/n/1", json.dumps(members))
    assert refusal.value.message.startswith(f"{at_fault}: half of a surrogate pair")
    assert refusal.value.message.endswith("only whole pairs are allowed")
    assert templates.records == {}


def test_a_whole_surrogate_pair_is_stored_as_its_character(templates: InMemoryTemplates) -> None:
    editing = editor(templates, validate=validate_policy)
    stored, _ = editing.put("r/g/n/1", r'{"source": "x", "data": {"a": "\ud83d\ude00"}}')
    assert json.loads(stored.document)["data"] == {"a": "😀"}
    assert "😀" in stored.document


def test_a_policy_whose_numbers_grow_beyond_a_record_is_refused(templates: InMemoryTemplates) -> None:
    editing = editor(templates, validate=validate_policy)
    payload = json.dumps({"source": "x", "data": {"a": [1e15] * 58_000}}).replace("1000000000000000.0, ", "1e15,")
    assert len(payload) < MAX_DOCUMENT_BYTES
    with pytest.raises(TooLarge) as refusal:
        editing.put("r/g/n/1", payload)
    assert "source, data: 1102083 bytes as they are stored" in refusal.value.message
    assert "at most 300000 are allowed" in refusal.value.message
    assert templates.records == {}


def test_a_policy_as_large_as_a_record_may_be_is_stored(templates: InMemoryTemplates) -> None:
    editing = editor(templates, validate=validate_policy)
    smallest = len(editing.put("r/g/n/1", '{"source": "x"}')[0].document)
    stored, _ = editing.put("r/g/n/1", json.dumps({"source": "x" * (MAX_DOCUMENT_BYTES - smallest + 1)}))
    assert len(stored.document) == MAX_DOCUMENT_BYTES
    with pytest.raises(TooLarge):
        editing.put("r/g/n/1", json.dumps({"source": "x" * (MAX_DOCUMENT_BYTES - smallest + 2)}))


@pytest.mark.parametrize("name", [" ", "é" * 501])
def test_a_name_that_cannot_be_a_key_is_refused(editing: TemplateEditor, name: str) -> None:
    with pytest.raises(BadRequest, match="name: 1 to 1000 bytes"):
        editing.put(name, json.dumps(CALL))


def test_an_edit_of_a_version_that_has_gone_is_refused(editing: TemplateEditor) -> None:
    first, _ = editing.put("x", json.dumps(CALL))
    editing.put("x", json.dumps({**CALL, "method": "PUT"}), if_match=first.etag)
    with pytest.raises(PreconditionFailed, match="changed since"):
        editing.put("x", json.dumps({**CALL, "method": "GET"}), if_match=first.etag)
    assert parsed(editing.get("x")).method == "PUT"


def test_a_new_template_can_insist_on_being_new(editing: TemplateEditor) -> None:
    editing.put("x", json.dumps(CALL), if_new=True)
    with pytest.raises(PreconditionFailed, match="exists already"):
        editing.put("x", json.dumps(CALL), if_new=True)


def test_an_edit_can_insist_on_editing(editing: TemplateEditor) -> None:
    with pytest.raises(PreconditionFailed):
        editing.put("x", json.dumps(CALL), if_match="*")


def test_a_template_is_deleted_once(editing: TemplateEditor) -> None:
    stored, _ = editing.put("x", json.dumps(CALL))
    with pytest.raises(PreconditionFailed):
        editing.delete("x", if_match="other")
    editing.delete("x", if_match=stored.etag)
    with pytest.raises(NotFound):
        editing.delete("x")
    with pytest.raises(NotFound):
        editing.get("x")


def test_writing_can_be_turned_off(templates: InMemoryTemplates) -> None:
    editing = editor(templates, writes=False)
    with pytest.raises(TurnedOff):
        editing.put("x", json.dumps(CALL))
    with pytest.raises(TurnedOff):
        editing.delete("x")


def test_pages_follow_each_other_to_the_end(editing: TemplateEditor) -> None:
    for name in "edcba":
        editing.put(name, json.dumps(CALL))
    names: list[str] = []
    after = None
    while True:
        page = editing.page(PageRequest(limit=2, after=after))
        names += [item.name for item in page.items]
        after = page.next
        if after is None:
            break
    assert names == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("name", ["a", "müßig 名前", "~" * 1000])
def test_a_cursor_is_read_as_the_name_that_it_was_made_of(name: str) -> None:
    assert decode_cursor("/v1/taskTemplates", encode_cursor("/v1/taskTemplates", name)) == name


@pytest.mark.parametrize(
    "cursor",
    ["%", "é", "/w==", "abc", encode_cursor("/v1/policies", "a" * 1001), encode_cursor("/v1/taskTemplates", "a")],
)
def test_a_cursor_that_this_service_has_not_made_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest, match="next: not a cursor"):
        decode_cursor("/v1/policies", cursor)


class TestTaskLists:
    """Task list templates."""

    def document(self, *groups: Any, **members: Any) -> dict[str, Any]:
        return dict(validate_list_template("x", json.dumps({"groups": groups, **members})))

    def test_a_template_is_stored_as_written_without_what_is_not_set(self) -> None:
        groups = [
            {"execution": "sequential", "tasks": ["a", "b"], "finalPolicy": ""},
            {"execution": "parallel", "tasks": None},
            {"execution": "parallel", "tasks": [], "finalPolicy": "p"},
        ]
        assert self.document(*groups, _id={"$oid": "1"}, cacheScope="", cacheNamespace="login") == {
            "name": "x",
            "cacheNamespace": "login",
            "groups": [
                {"execution": "sequential", "tasks": ["a", "b"]},
                {"execution": "parallel"},
                {"execution": "parallel", "finalPolicy": "p"},
            ],
        }

    @pytest.mark.parametrize("member", ["cacheNamespace", "cacheScope"])
    def test_a_cache_name_that_no_header_carries_is_refused(self, member: str) -> None:
        with pytest.raises(BadRequest, match=f"{member}: Unicode text without control characters"):
            self.document({"execution": "parallel", "tasks": ["a"]}, **{member: "a\0"})

    @pytest.mark.parametrize(
        ("groups", "fault"),
        [
            ([], "groups: at least one task in all is needed"),
            ([{"execution": "parallel", "tasks": []}], "groups: at least one task in all is needed"),
            (
                [{"execution": "Parallel", "tasks": ["a"]}],
                "groups.0.execution: Input should be 'sequential' or 'parallel'",
            ),
            ([{"tasks": ["a"]}], "groups.0.execution: Field required"),
            ([{"execution": "parallel", "tasks": [""]}], "groups.0.tasks.0: String should have at least 1 character"),
            ([{"execution": "parallel", "tasks": "a"}], "groups.0.tasks: Input should be a valid list"),
            ([{"execution": "parallel", "tasks": ["a"], "color": 1}], "groups.0.color: is not a member of it"),
        ],
    )
    def test_a_faulty_template_is_refused(self, groups: list[dict[str, Any]], fault: str) -> None:
        with pytest.raises(BadRequest) as refusal:
            self.document(*groups)
        assert fault in refusal.value.message

    def test_a_list_of_more_than_a_thousand_tasks_is_too_large(self) -> None:
        half: dict[str, Any] = {"execution": "parallel", "tasks": ["a"] * 500}
        self.document(half, half)
        with pytest.raises(TooLarge, match="groups: 1001 tasks, at most 1000 are allowed"):
            self.document(half, half, {"execution": "parallel", "tasks": ["a"]})

    def test_a_list_of_more_than_a_thousand_groups_is_too_large(self) -> None:
        empty: list[dict[str, Any]] = [{"execution": "parallel"}] * 1_000
        with pytest.raises(TooLarge, match="groups: 1001 groups, at most 1000 are allowed"):
            self.document(*empty, {"execution": "parallel", "tasks": ["a"]})
