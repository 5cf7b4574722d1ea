"""Creating and reading with Prefer: wait."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from local.cloud import LocalCloud
from tests.support.api import Answer, Api, eventually
from tests.support.aws_proxy import late, refused
from tests.support.behaviours import answer, hang
from tests.support.faulty_cloud import FaultyCloud
from tests.support.targets import HttpTarget
from tests.support.task_lists import list_template

WAITING: Final = 6
"""So many wait at the same time."""


def create(api: Api, name: str, prefer: str, *, kind: str = "task") -> Answer:
    return api.call("POST", f"/v1/{kind}/{name}", '{"n": 1}', {"Prefer": prefer})


def test_a_creation_answers_with_the_result(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer(body=b'{"b": 1.50}', after=0.2)))
    created = create(api, name, "respond-async, wait=20")
    task_id = created.headers["x-task-id"]
    assert (created.status, created.body) == (200, b'{"b": 1.50}')
    assert created.json() == api.result(task_id).json()
    assert created.headers["Content-Location"] == f"../taskResult/{task_id}"
    assert created.headers["Preference-Applied"] == "wait=20"
    assert [call.idempotency_key for call in target.calls] == [task_id]


def test_a_task_that_failed_is_424_with_its_id(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer(404, b'"no"')), acceptStatus=["2xx"])
    created = create(api, name, "wait=20")
    assert created.status == 424
    assert created.json()["message"] == 'task failed: the target answered 404: "no"'
    assert created.headers["Preference-Applied"] == "wait=20"
    assert "Content-Location" not in created.headers
    assert api.status(created.headers["x-task-id"])["status"] == "failed"


def test_when_time_is_up_the_id_comes_and_the_task_goes_on(api: Api, target: HttpTarget) -> None:
    created = create(api, api.template(target.on("/", hang(answer(body=b'"late"')))), "wait=1")
    task_id = created.json()["taskID"]
    assert created.headers["x-task-id"] == task_id
    assert created.headers["Preference-Applied"] == "wait=1"
    assert "Content-Location" not in created.headers

    early = api.call("GET", f"/v1/taskResult/{task_id}", headers={"Prefer": "wait=1"})
    assert (early.status, early.headers["Preference-Applied"]) == (404, "wait=1")
    status = api.call("GET", f"/v1/taskStatus/{task_id}", headers={"Prefer": "wait=1"})
    assert (status.status, status.json()["status"]) == (202, "pending")

    target.release()
    result = api.call("GET", f"/v1/taskResult/{task_id}", headers={"Prefer": "wait=20"})
    assert (result.status, result.json()) == (200, "late")


@pytest.mark.parametrize(("status", "ended"), [(200, 200), (404, 207)])
def test_a_list_answers_with_its_status(api: Api, target: HttpTarget, status: int, ended: int) -> None:
    name = api.template(target.on("/", answer(status, b'"x"', after=0.1)), acceptStatus=["2xx"])
    many = list_template(api, f"list-of-{name}", ("sequential", [name]), ("parallel", [name, name]))
    created = create(api, many, "wait=20", kind="taskList")
    list_id = created.headers["x-task-list-id"]
    assert created.status == ended
    assert created.headers["Content-Location"] == f"../taskListStatus/{list_id}"
    assert created.headers["Preference-Applied"] == "wait=20"
    read = api.call("GET", f"/v1/taskListStatus/{list_id}", headers={"Prefer": "wait=20"})
    assert (read.status, read.json()) == (ended, created.json())
    assert len(created.json()["groups"][1]["tasks"]) == 2


def test_an_unknown_id_is_not_waited_for(api: Api) -> None:
    for path in ("/v1/taskResult/nobody", "/v1/taskStatus/nobody", "/v1/taskListStatus/nobody"):
        started = time.monotonic()
        assert api.call("GET", path, headers={"Prefer": "wait=25"}).status == 404
        assert time.monotonic() - started < 20


def test_others_are_served_while_some_wait(cloud: LocalCloud, api: Api, target: HttpTarget) -> None:
    slow = api.template(target.on("/slow", hang(answer(body=b'"slow"'))))
    fast = api.template(target.on("/", answer()))
    task_id = api.create(slow)
    with ThreadPoolExecutor(WAITING) as pool:
        path, headers = f"/v1/taskResult/{task_id}", {"Prefer": "wait=25"}
        waiting = [pool.submit(api.call, "GET", path, headers=headers) for _ in range(WAITING)]
        eventually(
            lambda: len(cloud.worker_pids("ApiFunction")) >= WAITING, what="each waits in an instance of its own"
        )
        assert api.done(api.create(fast))
        assert not any(each.done() for each in waiting)
        target.release()
        assert {each.result().body for each in waiting} == {b'"slow"'}


def test_a_large_result_comes_with_the_creation_too(api: Api, target: HttpTarget) -> None:
    large = json.dumps({"text": "x" * 1_000_000}).encode()
    created = create(api, api.template(target.on("/", answer(body=large))), "wait=20")
    assert created.body == large
    assert "Content-Location" in created.headers


@pytest.mark.parametrize("fault", [refused(), late(4)], ids=["refuses", "hangs"])
def test_what_was_created_is_acknowledged_when_the_table_cannot_be_read(
    faulty: FaultyCloud, target: HttpTarget, fault: object
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken("GetItem", fault, "TASK#") as requests:  # type: ignore[arg-type]
        created = create(faulty.api, name, "wait=2")
    assert requests.count
    assert (created.status, created.json()) == (200, {"taskID": created.headers["x-task-id"]})
    assert faulty.api.done(created.json()["taskID"])
