"""Lists whose executors are killed, and whose messages come twice."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.api import eventually
from tests.support.aws_proxy import late, refused
from tests.support.behaviours import answer
from tests.support.faulty_cloud import VISIBILITY_SECONDS, FaultyCloud
from tests.support.killer import Killer
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

LISTS = 100
NO_RETRY = {"maxAttempts": 1}


def test_of_a_hundred_lists_every_one_ends_right_while_executors_are_killed(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    api = faulty.api
    answered: set[str] = set()
    called_again: list[str] = []

    def work(wire: Wire) -> None:
        key = wire.call.idempotency_key or ""
        if api.call("GET", f"/v1/taskStatus/{key}").status in (200, 207):
            called_again.append(key)
        wire.pause(random.uniform(0.0, 0.1))
        answered.add(key)
        answer(body=b"%s" % wire.call.body)(wire)

    good = api.template(target.on("/good", work))
    bad = api.template(target.on("/bad", answer(500)), retry=NO_RETRY)
    name = list_template(
        api,
        "many",
        ("sequential", [good, good, bad, good]),
        ("parallel", [good, good, bad, good]),
        ("sequential", [good, good]),
    )
    with Killer(faulty, target) as killer:
        ids = [create_list(api, name, f'{{"n":{number}}}') for number in range(LISTS)]
        killer.go_on_for(VISIBILITY_SECONDS + 3)
    ended = [ended_states(api, list_id, seconds=180) for list_id in ids]
    faulty.wait_until_queues_are_empty()

    expected = [
        "failed",
        ["failed", "done", "done", "failed", "failed"],
        ["failed", "done", "done", "failed", "done"],
        ["done", "done", "done"],
    ]
    assert ended == [expected] * LISTS
    assert called_again == []
    assert target.most_of_any_key == 1
    assert killer.kills > 0
    assert not any(call.idempotency_key in {f"{list_id}.0.3" for list_id in ids} for call in target.calls)


def test_a_message_that_comes_twice_moves_its_list_on_once(faulty: FaultyCloud, target: HttpTarget) -> None:
    task = faulty.api.template(target.on("/", answer()))
    name = list_template(faulty.api, "twice", ("sequential", [task, task]), ("parallel", [task, task]))
    list_id = create_list(faulty.api, name)
    ended = ended_states(faulty.api, list_id)
    for place in ("0.0", "0.1", "1.0", "1.1"):
        faulty.send(f"{list_id}.{place}")
    faulty.wait_until_queues_are_empty()
    assert ended_states(faulty.api, list_id) == ended == ["done", ["done"] * 3, ["done"] * 3]
    assert len(target.calls) == 4


def test_a_list_whose_message_is_not_taken_was_never_created(faulty: FaultyCloud, target: HttpTarget) -> None:
    task = faulty.api.template(target.on("/", answer()))
    name = list_template(faulty.api, "refused-by-the-queue", ("sequential", [task]))
    with faulty.proxy.broken("SendMessage", refused()):
        answered = faulty.api.call("POST", f"/v1/taskList/{name}", "{}")
    assert (answered.status, answered.json()["kind"]) == (503, 7)
    faulty.wait_until_queues_are_empty()
    assert target.calls == []


def test_a_fan_out_that_breaks_off_is_taken_up_again(faulty: FaultyCloud, target: HttpTarget) -> None:
    task = faulty.api.template(target.on("/", answer()))
    name = list_template(faulty.api, "fan-out", ("parallel", [task] * 30))
    with faulty.proxy.broken("SendMessageBatch", refused(), ".0.2") as requests:
        list_id = create_list(faulty.api, name)
        eventually(lambda: requests.count, what="the fan-out has broken off")
    assert ended_states(faulty.api, list_id) == ["done", ["done"] * 31]
    assert {call.idempotency_key for call in target.calls} == {f"{list_id}.0.{n}" for n in range(30)}
    assert len(target.calls) == 30


def test_a_cancellation_that_breaks_off_is_completed(faulty: FaultyCloud, target: HttpTarget) -> None:
    api = faulty.api
    # Longer than it takes until an executor looks after the cancellation.
    retry = {"minDelaySeconds": 10, "maxDelaySeconds": 10}
    busy = api.template(target.on("/busy", answer(500)), retry=retry)
    list_id = create_list(
        api, list_template(api, "cancelled-halfway", ("parallel", [busy] * 3), ("sequential", [busy]))
    )
    waiting = [f"{list_id}.0.{position}" for position in range(3)]
    eventually(lambda: len(target.calls) == 3, what="every task has been called")
    eventually(lambda: all(api.status(one)["error"] for one in waiting), what="every task waits for its retry")

    with faulty.proxy.broken("UpdateItem", refused(), "GROUP#0000") as requests:
        assert api.call("POST", f"/v1/taskLists/{list_id}/cancel").status == 503
    assert requests.count

    def states() -> Any:
        return [api.status(f"{list_id}.{place}")["status"] for place in ("0.0", "0.1", "0.2", "1.0")]

    eventually(lambda: states() == ["cancelled"] * 4, what="the cancellation is completed")
    faulty.wait_until_queues_are_empty()
    assert ended_states(api, list_id) == ["cancelled", ["cancelled"] * 4, ["cancelled"] * 2]
    assert len(target.calls) == 3


def test_a_state_that_was_shown_as_final_stays_while_the_table_is_slow_to_cancel(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    api = faulty.api

    def work(wire: Wire) -> None:
        wire.pause(0.5)
        answer()(wire)

    task = api.template(target.on("/", work))
    list_id = create_list(api, list_template(api, "slow-to-cancel", ("sequential", [task] * 15), ("parallel", [task])))
    target.wait_for_calls(1)
    seen: dict[str, str] = {}

    def look() -> None:
        shown = api.call("GET", f"/v1/taskListStatus/{list_id}").json()
        parts = [shown, *shown["groups"], *(task for group in shown["groups"] for task in group["tasks"])]
        for part in parts:
            before = seen.get(part["id"], "created")
            assert before not in ("done", "failed", "cancelled") or part["status"] == before, part["id"]
            seen[part["id"]] = part["status"]

    with ThreadPoolExecutor(1) as client, faulty.proxy.broken("UpdateItem", late(4), "GROUP#0000") as requests:
        cancelled = client.submit(api.call, "POST", f"/v1/taskLists/{list_id}/cancel")
        while not cancelled.done():
            look()
    assert cancelled.result().json()["status"] == "cancelled"
    calls = len(target.calls)
    assert requests.count
    assert calls > 1, "no task has run meanwhile"
    look()
    faulty.wait_until_queues_are_empty()
    look()
    assert seen[list_id] == "cancelled"
    assert len(target.calls) == calls
