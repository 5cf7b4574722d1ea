"""Searching tasks and task lists over HTTP."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest

from tests.e2e.test_contract_creating import has_error
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, hang
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template

NO_RETRY = {"maxAttempts": 1}
TOGETHER = 2


def page(api: Api, resource: str = "tasks", **parameters: Any) -> Any:
    """The body of one page."""
    found = api.call("GET", f"/v1/{resource}?{urlencode(parameters)}")
    assert found.status == 200, found
    assert set(found.json()) == {"items", "next"}
    return found.json()


def pages(api: Api, resource: str = "tasks", **parameters: Any) -> Iterator[list[Any]]:
    """The items of page after page."""
    while True:
        found = page(api, resource, **parameters)
        yield found["items"]
        if found["next"] is None:
            return
        parameters["next"] = found["next"]


def ids(api: Api, resource: str = "tasks", **parameters: Any) -> list[str]:
    """The ids on all pages."""
    return [item["id"] for items in pages(api, resource, **parameters) for item in items]


def unique(api: Api, url: str, **members: Any) -> str:
    """A template under a name that no other test has."""
    return api.template(url, f"search é/% {uuid4().hex}", **members)


def test_what_has_failed_is_found_by_name(api: Api, target: HttpTarget) -> None:
    good = unique(api, target.on("/good", answer()))
    bad = unique(api, target.on("/bad", answer(500)), retry=NO_RETRY)
    created = [api.create(name) for name in (good, bad, bad, good, bad)]
    statuses = api.all_ended(created)

    expected = [status for status in reversed(statuses) if status["name"] == bad]
    assert [len(status.pop("history")) for status in expected] == [1] * 3
    assert [status["status"] for status in expected] == ["failed"] * 3
    assert page(api, name=bad, state="failed")["items"] == expected
    assert page(api, name=bad)["items"] == expected
    assert ids(api, name=good, state="done") == [created[3], created[0]]
    assert ids(api, name=good, state="failed") == ids(api, name=bad, state="done") == []
    assert ids(api, name=bad, state="cancelled") == []
    newest = page(api, state="failed", limit=2)["items"]
    assert [item["createdAt"] for item in newest] == sorted((item["createdAt"] for item in newest), reverse=True)


def test_times_bound_what_is_found(api: Api, target: HttpTarget) -> None:
    name = unique(api, target.on("/good", answer()))
    created: list[Any] = []
    for _ in range(3):
        created.append(api.done(api.create(name)))
    moments = [datetime.fromisoformat(status["createdAt"]) for status in created]
    assert moments == sorted(set(moments))

    middle = moments[1].astimezone(tz=None).isoformat()
    assert ids(api, name=name, since=middle) == [created[2]["id"], created[1]["id"]]
    assert ids(api, name=name, until=middle) == [created[0]["id"]]
    not_encoded = f"/v1/tasks?name={quote(name, safe='')}&since={moments[2]:%Y-%m-%dT%H:%M:%S.%f}+00:00"
    assert [item["id"] for item in api.call("GET", not_encoded).json()["items"]] == [created[2]["id"]]
    assert ids(api, name=name, since=(moments[2] + timedelta(milliseconds=1)).isoformat()) == []


def test_the_state_is_the_one_that_clients_are_told(api: Api, target: HttpTarget) -> None:
    name = unique(api, target.on("/hangs", hang()))
    task_id = api.create(name)
    target.wait_for_calls(1)
    assert ids(api, name=name, state="pending") == [task_id]
    assert ids(api, name=name, state="created") == ids(api, name=name, state="done") == []
    target.on("/hangs", answer())
    target.release()
    api.done(task_id)
    assert ids(api, name=name, state="done") == [task_id]
    assert ids(api, name=name, state="pending") == []


@pytest.mark.parametrize("limit", [7, 20])
def test_pages_have_everything_once_while_tasks_are_created(api: Api, target: HttpTarget, limit: int) -> None:
    name = unique(api, target.on("/good", answer()))
    with ThreadPoolExecutor(TOGETHER) as creators:
        before = set(creators.map(lambda _: api.create(name), range(60)))
        is_over = threading.Event()
        meanwhile: list[str] = []

        def create() -> None:
            while not is_over.is_set():
                meanwhile.append(api.create(name))

        def more_than(count: int) -> bool:
            return len(meanwhile) > count

        running = [creators.submit(create) for _ in range(TOGETHER)]
        try:
            found: list[Any] = []
            for items in pages(api, name=name, limit=limit):
                found += items
                eventually(partial(more_than, len(meanwhile)), what="more tasks are created")
        finally:
            is_over.set()
        for one in running:
            one.result()
    seen = [item["id"] for item in found]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    times = [item["createdAt"] for item in found]
    assert times == sorted(times, reverse=True)
    eventually(lambda: set(ids(api, name=name)) == before | set(meanwhile), what="all of them are found in the end")
    api.all_ended(before | set(meanwhile))


def test_lists_are_found_and_their_tasks_are_not(api: Api, target: HttpTarget) -> None:
    since = datetime.now(UTC)
    good = unique(api, target.on("/good", answer()))
    bad = unique(api, target.on("/bad", answer(500)), retry=NO_RETRY)
    works, fails = f"works-{uuid4().hex}", f"fails-{uuid4().hex}"
    list_template(api, works, ("sequential", [good, good]))
    list_template(api, fails, ("parallel", [good, bad]))
    created = [create_list(api, name) for name in (works, fails, works)]
    for list_id in created:
        ended_states(api, list_id)

    items = page(api, "taskLists", name=fails, state="failed")["items"]
    assert [set(item) for item in items] == [{"id", "name", "status", "createdAt", "finishedAt"}]
    [item] = items
    assert (item["id"], item["name"], item["status"]) == (created[1], fails, "failed")
    assert since <= datetime.fromisoformat(item["createdAt"]) + timedelta(milliseconds=1)
    assert item["createdAt"] <= item["finishedAt"]
    assert ids(api, "taskLists", name=works, state="done", limit=1) == [created[2], created[0]]
    assert ids(api, "taskLists", name=works, state="failed") == []
    in_order = [list_id for list_id in ids(api, "taskLists", since=since.isoformat()) if list_id in created]
    assert in_order == created[::-1]
    assert ids(api, name=good) == ids(api, name=bad) == []


def test_a_list_that_is_under_way_is_pending(api: Api, target: HttpTarget) -> None:
    name = f"hangs-{uuid4().hex}"
    list_template(api, name, ("sequential", [unique(api, target.on("/hangs", hang()))]))
    list_id = create_list(api, name)
    target.wait_for_calls(1)
    assert ids(api, "taskLists", name=name, state="pending") == [list_id]
    assert ids(api, "taskLists", name=name, state="created") == []
    target.on("/hangs", answer())
    target.release()
    ended_states(api, list_id)
    assert ids(api, "taskLists", name=name, state="done") == [list_id]


@pytest.mark.parametrize("resource", ["tasks", "taskLists"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: '0' is not a number from 1 to 100"),
        ("limit=101", "limit: '101' is not a number from 1 to 100"),
        ("state=lost", "state: 'lost' is none of created, pending, done, failed, cancelled"),
        ("state=", "state: '' is none of created, pending, done, failed, cancelled"),
        ("name=", "name: it is empty"),
        ("since=today", "since: 'today' is not a time as in RFC 3339"),
        ("until=2026-01-01", "until: '2026-01-01' is not a time as in RFC 3339"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since: it is after until"),
        ("next=!", "next: not a cursor that this service has given"),
        ("status=failed", "status: is not a parameter of this; name, state, since, until, limit, next are"),
        ("next=YQ==", "next: not a cursor that this service has given"),
    ],
)
def test_a_wrong_question_is_refused(api: Api, resource: str, query: str, message: str) -> None:
    assert has_error(api.call("GET", f"/v1/{resource}?{query}"), 400, message)
