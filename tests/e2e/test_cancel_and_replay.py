"""Cancelling and replayer as clients do it, while executors run what is cancelled and replayed."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.test_lists import Gates
from tests.support.api import Answer, Api, eventually
from tests.support.behaviours import answer, failing
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template

NO_RETRY = {"maxAttempts": 1}


def act(api: Api, what: str, action: str) -> Answer:
    """POST to /v1/<what>/<action>, such as tasks/x and cancel."""
    return api.call("POST", f"/v1/{what}/{action}")


def acted(api: Api, what: str, action: str) -> Any:
    """The same, which has to be possible; returns the body."""
    done = act(api, what, action)
    assert done.status == 200, done
    return done.json()


def assert_refused(refusal: Answer, reason: str) -> None:
    assert (refusal.status, refusal.json()["kind"]) == (409, 0), refusal
    assert reason in refusal.json()["message"]


@pytest.fixture
def gates() -> Gates:
    return Gates()


def test_a_task_that_is_called_is_cancelled_and_its_result_discarded(
    api: Api, target: HttpTarget, gates: Gates
) -> None:
    task_id = api.create(api.template(target.on("/gate", gates.behave)))
    target.wait_for_calls(1)
    body = acted(api, f"tasks/{task_id}", "cancel")
    assert (body["id"], body["status"], body["error"]) == (task_id, "cancelled", "cancelled on request")
    gates.open("")
    target.wait_until_idle()
    assert acted(api, f"tasks/{task_id}", "cancel") == body
    status = api.call("GET", f"/v1/taskStatus/{task_id}")
    assert (status.status, status.json()) == (207, body)
    result = api.result(task_id)
    assert (result.status, result.json()["message"]) == (424, "task cancelled: cancelled on request")
    assert_refused(act(api, f"tasks/{task_id}", "replay"), "task is cancelled")


def test_a_task_that_waits_for_its_retry_is_not_called_again(api: Api, target: HttpTarget) -> None:
    retry = {"minDelaySeconds": 1, "maxDelaySeconds": 2}
    task_id = api.create(api.template(target.on("/busy", answer(503, headers={"Retry-After": "1"})), retry=retry))
    eventually(lambda: api.status(task_id)["attempts"] >= 1 and api.status(task_id)["error"], what="it waits")
    acted(api, f"tasks/{task_id}", "cancel")
    target.wait_until_idle()
    calls = len(target.calls)
    # Another one's retry comes after where its own would have been.
    other = api.create(api.template(target.on("/other", failing(1, answer(), status=503)), retry=retry))
    api.done(other)
    assert len(target.calls) == calls + 2
    assert api.status(task_id)["status"] == "cancelled"


def test_what_has_ended_is_not_cancelled(api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/ok", answer())))
    api.done(task_id)
    assert_refused(act(api, f"tasks/{task_id}", "cancel"), "task is done")
    assert_refused(act(api, f"tasks/{task_id}", "replay"), "task is done")


@pytest.mark.parametrize("action", ["cancel", "replay"])
def test_unknown_ones_are_not_found(api: Api, action: str) -> None:
    for what, message in (("tasks/nobody", "task is not found"), ("taskLists/nobody", "taskList is not found")):
        refusal = act(api, what, action)
        assert (refusal.status, refusal.json()["kind"], refusal.json()["message"]) == (404, 5, message)


def test_a_failed_task_is_replayed_under_its_id(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/mends", failing(2, answer(body=b'"mended"'))), retry=NO_RETRY)
    task_id = api.create(name)
    for _ in range(2):
        api.failed(task_id)
        body = acted(api, f"tasks/{task_id}", "replay")
        assert body["id"] == task_id
        eventually(lambda: api.status(task_id)["status"] in ("failed", "done"), what="it has ended")
        if api.status(task_id)["status"] == "done":
            break
    assert api.result(task_id).json() == "mended"
    assert [call.idempotency_key for call in target.calls] == [task_id] * 3


def test_of_many_replays_at_once_one_calls(api: Api, target: HttpTarget, gates: Gates) -> None:
    name = api.template(target.on("/gate", failing(1, gates.behave)), retry=NO_RETRY)
    task_id = api.create(name)
    api.failed(task_id)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: act(api, f"tasks/{task_id}", "replay"), range(8)))
    assert {replay.status for replay in answers} <= {200, 409}
    assert 200 in [replay.status for replay in answers]
    target.wait_for_calls(2)
    gates.open("")
    api.done(task_id)
    target.wait_until_idle()
    assert len(target.calls) == 2


def test_a_list_is_replayed_from_its_failed_task(api: Api, target: HttpTarget) -> None:
    """A failed list of ten with the fourth task broken: mend the target, replay, and only 4 to 10 are called."""
    good = api.template(target.on("/good", answer(body=b'{"ok": true}')))
    broken = api.template(target.on("/broken", failing(1, answer(body=b'"mended"'))), retry=NO_RETRY)
    name = list_template(api, "ten", ("sequential", [good] * 3 + [broken] + [good] * 6))
    list_id = create_list(api, name)
    assert ended_states(api, list_id) == ["failed", ["failed", *["done"] * 3, *["failed"] * 7]]
    before = [call.idempotency_key for call in target.calls]
    assert before == [f"{list_id}.0.{position}" for position in range(4)]

    body = acted(api, f"taskLists/{list_id}", "replay")

    assert (body["id"], body["status"]) == (list_id, "pending")
    assert ended_states(api, list_id) == ["done", ["done"] * 11]
    called = [call.idempotency_key for call in target.calls][len(before) :]
    assert called == [f"{list_id}.0.{position}" for position in range(3, 10)]
    assert api.result(f"{list_id}.0.3").json() == "mended"
    assert_refused(act(api, f"taskLists/{list_id}", "replay"), "taskList is done")


def test_of_a_list_of_many_groups_only_what_failed_is_called_again(api: Api, target: HttpTarget) -> None:
    good = api.template(target.on("/good", answer()))
    broken = api.template(target.on("/broken", failing(2, answer())), retry=NO_RETRY)
    name = list_template(
        api,
        "many-groups",
        ("parallel", [good, broken, good, broken]),
        ("sequential", [good, good]),
        ("sequential", [good, good]),
    )
    list_id = create_list(api, name)
    failed = ["failed", "done", "failed", "done", "failed"]
    assert ended_states(api, list_id) == ["failed", failed, ["done"] * 3, ["done"] * 3]
    before = Counter(call.idempotency_key for call in target.calls)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: act(api, f"taskLists/{list_id}", "replay").status, range(4)))
    assert set(answers) <= {200, 409}
    assert ended_states(api, list_id) == ["done", ["done"] * 5, ["done"] * 3, ["done"] * 3]
    target.wait_until_idle()
    again = Counter(call.idempotency_key for call in target.calls) - before
    assert again == {f"{list_id}.0.1": 1, f"{list_id}.0.3": 1}


def test_no_task_of_a_cancelled_list_starts(api: Api, target: HttpTarget, gates: Gates) -> None:
    task = api.template(target.on("/gate", gates.behave))
    name = list_template(api, "to-be-cancelled", ("sequential", [task] * 2), ("parallel", [task] * 3))
    list_id = create_list(api, name)
    gates.open("0.0")
    target.wait_for_calls(2)
    body = acted(api, f"taskLists/{list_id}", "cancel")
    assert (body["id"], body["status"]) == (list_id, "cancelled")
    gates.open("0.1")
    target.wait_until_idle()
    status = api.call("GET", f"/v1/taskListStatus/{list_id}")
    assert (status.status, status.json()["status"]) == (207, "cancelled")
    groups = [[group["status"], *(task["status"] for task in group["tasks"])] for group in status.json()["groups"]]
    assert groups == [["cancelled", "done", "cancelled"], ["cancelled"] * 4]
    assert api.status(f"{list_id}.1.0")["error"] == "cancelled on request"
    assert_refused(act(api, f"tasks/{list_id}.0.1", "cancel"), "a part of taskList")
    assert_refused(act(api, f"taskLists/{list_id}", "replay"), "taskList is cancelled")
    assert len(target.calls) == 2


def test_a_lists_id_cancels_it_as_a_task_too(api: Api, target: HttpTarget, gates: Gates) -> None:
    name = list_template(api, "by-id", ("sequential", [api.template(target.on("/gate", gates.behave))]))
    list_id = create_list(api, name)
    target.wait_for_calls(1)
    assert acted(api, f"tasks/{list_id}", "cancel")["status"] == "cancelled"
    gates.open("0.0")


def test_cancelled_at_any_moment_a_list_calls_nothing_after_the_answer(api: Api, target: HttpTarget) -> None:
    task = api.template(target.on("/ok", answer()))
    name = list_template(api, "raced", ("sequential", [task] * 3), ("parallel", [task] * 12), ("sequential", [task]))

    def race(number: int) -> None:
        list_id = create_list(api, name)
        called = number * 2
        eventually(
            lambda: len([call for call in target.calls if (call.idempotency_key or "").startswith(list_id)]) >= called,
            what=f"{called} calls",
        )
        cancel = act(api, f"taskLists/{list_id}", "cancel")
        status = api.call("GET", f"/v1/taskListStatus/{list_id}").json()
        if cancel.status == 409:
            assert status["status"] == "done"
            return
        assert status["status"] == "cancelled"
        open_ones = json.dumps(status)
        assert '"pending"' not in open_ones
        assert '"created"' not in open_ones
        allowed = {
            call.idempotency_key for call in target.calls if (call.idempotency_key or "").startswith(list_id)
        } | {task["id"] for group in status["groups"] for task in group["tasks"] if started(task["id"])}
        raced[list_id] = allowed

    def started(task_id: str) -> bool:
        return api.status(task_id)["startedAt"] is not None

    raced: dict[str, set[str | None]] = {}
    for number in range(8):
        race(number)
    api.done(api.create(task))
    target.wait_until_idle()
    for list_id, allowed in raced.items():
        called = [call.idempotency_key for call in target.calls if (call.idempotency_key or "").startswith(list_id)]
        assert len(called) == len(set(called))
        assert set(called) <= allowed


def test_an_outage_is_replayed_by_filter_page_by_page(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/down", failing(5, answer())), retry=NO_RETRY)
    task_ids = [api.create(name) for _ in range(5)]
    for task_id in task_ids:
        api.failed(task_id)
    wanted: dict[str, Any] = {"name": name, "limit": 2}
    replayed: list[str] = []
    while True:
        page = api.call("POST", "/v1/replays", json.dumps(wanted))
        assert page.status == 200, page
        replayed += [item["id"] for item in page.json()["items"]]
        if page.json()["next"] is None:
            break
        wanted["next"] = page.json()["next"]
    assert sorted(replayed) == sorted(task_ids)
    for task_id in task_ids:
        api.done(task_id)
    assert Counter(call.idempotency_key for call in target.calls) == dict.fromkeys(task_ids, 2)
