"""Writing event tasks: validated, found by key, namespace and scope, paged."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools import Metrics

from task_service.adapters.template_cache import TemplateCache
from task_service.domain.errors import BadRequest, NotFound, PreconditionFailed, TurnedOff
from task_service.domain.event_task import EventTask
from task_service.domain.paging import PageRequest
from task_service.entrypoints.api.app import Api
from task_service.entrypoints.api.services import Services
from task_service.schemas.event_task import identify, validate
from task_service.testing import FakeClock, InMemoryTemplates
from task_service.usecases.edit_event_tasks import EventTaskEditor
from task_service.usecases.edit_templates import TemplateEditor

ONE = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration", "taskName": "greet"}


@pytest.fixture
def stored() -> InMemoryTemplates:
    return InMemoryTemplates()


def editor(stored: InMemoryTemplates, *, writes: bool = True) -> EventTaskEditor:
    cache = TemplateCache(templates=stored, parse=EventTask.from_text, clock=FakeClock(), keep=timedelta(seconds=30))
    templates = TemplateEditor(noun="event task", templates=stored, cache=cache, writes=writes, validate=validate)
    return EventTaskEditor(templates=templates, identify=identify)


@pytest.fixture
def editing(stored: InMemoryTemplates) -> EventTaskEditor:
    return editor(stored)


def put(editing: EventTaskEditor, **changes: Any) -> bool:
    document = {name: value for name, value in (ONE | changes).items() if value is not ...}
    return editing.put(json.dumps(document))[1]


def items(editing: EventTaskEditor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [json.loads(item.document) for item in editing.templates.page(PageRequest()).items]
    return found


def test_an_event_task_is_stored_as_written(editing: EventTaskEditor) -> None:
    assert put(editing) is True
    assert items(editing) == [ONE]


def test_what_is_not_set_is_empty(editing: EventTaskEditor) -> None:
    assert put(editing, namespace=..., scope=None) is True
    assert put(editing, namespace="", scope="") is False
    assert items(editing) == [ONE | {"namespace": "", "scope": ""}]


def test_the_three_together_are_its_identity(editing: EventTaskEditor) -> None:
    assert put(editing)
    assert put(editing, scope="")
    assert put(editing, namespace="", scope="Administration")
    assert put(editing, taskName="other") is False
    assert len(items(editing)) == 3


def test_an_exported_one_of_the_first_generation_is_accepted(editing: EventTaskEditor) -> None:
    assert put(editing, _id={"$oid": "63fa2f16b70ed89144e3710f"})
    assert items(editing) == [ONE]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"key": ...}, "key: Field required"),
        ({"key": ""}, "key: String should have at least 1 character"),
        ({"key": "a,b"}, "key: a comma is not part of it"),
        ({"scope": "a,b"}, "scope: a comma is not part of it"),
        ({"namespace": 7}, "namespace: Input should be a valid string"),
        ({"taskName": ...}, "taskName: Field required"),
        ({"taskName": ""}, "taskName: String should have at least 1 character"),
        ({"taskName": "é" * 501}, "taskName: at most 1000 bytes are allowed"),
        ({"key": "\ud800"}, "key: "),
        ({"color": 1}, "color: is not a member of an event task; key, namespace, scope, taskName are"),
        ({"key": "é" * 500}, "key, namespace, scope: at most 1000 bytes in all"),
    ],
)
def test_a_faulty_one_is_refused_with_member_fault_and_what_is_allowed(
    editing: EventTaskEditor, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        put(editing, **changes)
    assert fault in refusal.value.message
    assert items(editing) == []


@pytest.mark.parametrize("member", ["key", "namespace", "scope", "taskName", "\ud800"])
def test_half_of_a_surrogate_pair_is_refused_with_its_member(editing: EventTaskEditor, member: str) -> None:
    payload = json.dumps(ONE | {member: "\ud800"})
    name = member.encode(errors="backslashreplace").decode()
    for edit in (editing.put, editing.delete):
        with pytest.raises(BadRequest) as refusal:
            edit(payload)
        assert refusal.value.message.startswith(f"{name}: half of a surrogate pair")
    assert items(editing) == []


@pytest.mark.parametrize("payload", ["", "oops", "[]", '"x"', "[" * 9_000 + "]" * 9_000])
def test_what_is_no_object_is_refused(editing: EventTaskEditor, payload: str) -> None:
    with pytest.raises(BadRequest):
        editing.put(payload)
    with pytest.raises(BadRequest):
        editing.delete(payload)


@pytest.mark.parametrize("task_name", [..., "", "greet", "other"])
def test_it_is_deleted_by_the_three_whatever_its_task(editing: EventTaskEditor, task_name: Any) -> None:
    put(editing)
    put(editing, scope="")
    editing.delete(json.dumps({name: value for name, value in (ONE | {"taskName": task_name}).items() if value != ...}))
    assert items(editing) == [ONE | {"scope": ""}]


def test_deleting_what_is_not_there_says_so(editing: EventTaskEditor) -> None:
    with pytest.raises(NotFound, match="event task not found"):
        editing.delete(json.dumps(ONE))


def test_an_edit_of_a_version_that_has_gone_is_refused(editing: EventTaskEditor) -> None:
    put(editing)
    with pytest.raises(PreconditionFailed):
        editing.put(json.dumps(ONE), if_match="other")
    with pytest.raises(PreconditionFailed):
        editing.delete(json.dumps(ONE), if_match="other")


def test_writing_can_be_turned_off(stored: InMemoryTemplates) -> None:
    editing = editor(stored, writes=False)
    for payload in (json.dumps(ONE), "oops"):
        with pytest.raises(TurnedOff):
            editing.put(payload)
        with pytest.raises(TurnedOff):
            editing.delete(payload)
    assert items(editing) == []


def test_pages_follow_each_other_to_the_end(editing: EventTaskEditor) -> None:
    for key in "edcba":
        put(editing, key=key)
    keys: list[str] = []
    after = None
    while True:
        page = editing.templates.page(PageRequest(limit=2, after=after))
        keys += [json.loads(item.document)["key"] for item in page.items]
        after = page.next
        if after is None:
            break
    assert keys == ["a", "b", "c", "d", "e"]


def ask(editing: EventTaskEditor, method: str, body: str = "", **members: Any) -> tuple[int, Any, dict[str, Any]]:
    """Status, body and headers of the API's answer."""
    services = cast(Services, SimpleNamespace(event_tasks=editing, authorizer=None))
    event: dict[str, Any] = {
        "httpMethod": method,
        "path": "/v1/eventTasks",
        "resource": "/v1/eventTasks",
        "headers": {},
        "requestContext": {"requestId": "r", "path": "/v1/eventTasks", "stage": "live"},
        "body": body,
        **members,
    }
    answer = Api(lambda: services, Metrics(namespace="Test", service="task")).resolve(event, SimpleNamespace())
    headers = answer.get("multiValueHeaders", {})
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, headers


def test_the_api_writes_lists_and_deletes_event_tasks(editing: EventTaskEditor) -> None:
    status, body, headers = ask(editing, "PUT", json.dumps(ONE))
    assert (status, body) == (201, ONE)
    assert headers["ETag"]
    assert ask(editing, "PUT", json.dumps(ONE))[0] == 200
    assert ask(editing, "PUT", json.dumps(ONE), headers={"if-none-match": "*"})[0] == 412
    assert ask(editing, "PUT", json.dumps(ONE | {"key": ""}))[0] == 400

    assert ask(editing, "GET")[:2] == (200, {"items": [ONE], "next": None})
    assert ask(editing, "GET", multiValueQueryStringParameters={"limit": ["x"]})[0] == 400

    assert ask(editing, "DELETE", json.dumps(ONE))[:2] == (204, None)
    assert ask(editing, "DELETE", json.dumps(ONE))[0] == 404
    status, body, headers = ask(editing, "POST", json.dumps(ONE))
    assert (status, headers["Allow"]) == (405, ["GET, PUT, DELETE"])
