"""Reading results and states."""

from datetime import datetime
from typing import Final
from urllib.parse import quote

import pytest

from tests.e2e.test_contract_creating import has_error
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, hang
from tests.support.faulty_cloud import FaultyCloud
from tests.support.targets import HttpTarget

MEMBERS: Final = {
    *("id", "name", "status", "attempts", "responseCode"),
    *("createdAt", "startedAt", "finishedAt", "error", "history"),
}


def moments(status: dict[str, str]) -> list[datetime]:
    """The times of a status, which has to be RFC 3339 in UTC."""
    texts = [status[member] for member in ("createdAt", "startedAt", "finishedAt") if status[member] is not None]
    assert all(text.endswith("Z") for text in texts)
    return [datetime.fromisoformat(text) for text in texts]


@pytest.mark.parametrize("resource", ["taskResult", "taskStatus"])
@pytest.mark.parametrize(
    "task_id",
    [
        *("unknown", "4f88b8e8-ffd0-441e-9ddc-9e7257e915d1", "ü/%00", "a b", "x" * 2_000),
        "x" * 2_100,
    ],
    ids=["word", "uuid", "odd", "space", "long", "very long"],
)
def test_an_unknown_id_is_not_found(api: Api, resource: str, task_id: str) -> None:
    assert has_error(api.call("GET", f"/v1/{resource}/{quote(task_id, safe='')}"), 404, "task is not found")


def test_a_task_that_runs_is_pending_and_has_no_result(api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", hang(answer(201, b'"at last"'))))
    task_id = api.create(name)
    target.wait_for_calls(1)

    pending = api.call("GET", f"/v1/taskStatus/{task_id}")
    assert pending.status == 202
    status = pending.json()
    assert set(status) == MEMBERS
    assert (status["id"], status["name"], status["status"], status["attempts"]) == (task_id, name, "pending", 1)
    assert status["responseCode"] is status["finishedAt"] is status["error"] is None
    assert moments(status) == sorted(moments(status))
    assert len(moments(status)) == 2
    assert has_error(api.result(task_id), 404, "no result, task is not completed")

    target.release()
    done = api.done(task_id)
    assert set(done) == MEMBERS
    assert (done["status"], done["attempts"], done["responseCode"], done["error"]) == ("done", 1, 201, None)
    assert len(moments(done)) == 3
    assert moments(done) == sorted(moments(done))
    assert api.call("GET", f"/v1/taskStatus/{task_id}").status == 200
    assert api.result(task_id).json() == "at last"


def test_a_task_that_no_executor_has_taken_yet_is_created(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.queue_held():
        task_id = faulty.api.create(name)
        created = faulty.api.call("GET", f"/v1/taskStatus/{task_id}")
        assert has_error(faulty.api.result(task_id), 404, "no result, task is not completed")
    assert created.status == 201
    status = created.json()
    assert (status["status"], status["attempts"], len(moments(status))) == ("created", 0, 1)
    assert status["responseCode"] is status["error"] is None
    faulty.api.done(task_id)


def test_a_task_that_waits_for_its_next_attempt_is_pending_and_says_why(api: Api, target: HttpTarget) -> None:
    # Full jitter may make the wait short; the next attempt is answered the same.
    url = target.on("/", answer(500, b'"not yet"'))
    task_id = api.create(api.template(url, retry={"minDelaySeconds": 600, "maxDelaySeconds": 600}))

    eventually(lambda: api.status(task_id)["error"], what="the attempt has failed")
    waiting = api.call("GET", f"/v1/taskStatus/{task_id}")
    assert waiting.status == 202
    status = waiting.json()
    assert (status["status"], status["responseCode"], status["finishedAt"]) == ("pending", 500, None)
    assert status["error"] == 'the target answered 500: "not yet"'
    assert has_error(api.result(task_id), 404, "no result, task is not completed")


def test_a_failed_task_says_so_and_why(api: Api, target: HttpTarget) -> None:
    url = target.on("/", answer(500, b'{"reason":"broken"}'))
    task_id = api.create(api.template(url, retry={"maxAttempts": 1}))
    status = api.failed(task_id)
    assert (status["responseCode"], status["attempts"]) == (500, 1)
    assert status["error"] == 'the target answered 500: {"reason":"broken"} (attempt 1 of 1)'
    assert api.call("GET", f"/v1/taskStatus/{task_id}").status == 207

    result = api.result(task_id)
    assert result.status == 424
    assert (result.json()["kind"], result.json()["message"]) == (0, f"task failed: {status['error']}")
    assert result.json()["status"] == 424


def test_a_result_can_be_read_again_and_again(api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/", answer(body=b"[1]"))))
    api.done(task_id)
    assert [api.result(task_id).body for _ in range(3)] == [b"[1]"] * 3
    assert len(target.calls) == 1


def test_an_id_is_decoded_once(api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/", answer(body=b"1"))))
    api.done(task_id)
    encoded = "".join(f"%{ord(character):02x}" for character in task_id)
    assert api.result(encoded).body == b"1"
    assert has_error(api.result(quote(encoded, safe="")), 404, "task is not found")
