"""Task lists end to end: order, piping, fan-out, live states, failures in every place."""

import json
import threading

import pytest

from tests.support.api import Api, eventually
from tests.support.behaviours import answer, echo, failing
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_status, list_template, states
from tests.support.wire import Wire

NO_RETRY = {"maxAttempts": 1}


def nest(wire: Wire) -> None:
    """Answers with an array around what it was sent."""
    answer(body=b"[%s]" % wire.call.body)(wire)


@pytest.fixture
def nesting(api: Api, target: HttpTarget) -> str:
    return api.template(target.on("/nest", nest))


def test_a_sequence_is_piped_and_every_group_starts_from_the_lists_request(
    api: Api, target: HttpTarget, nesting: str
) -> None:
    name = list_template(
        api, "piping", ("sequential", [nesting] * 3), ("parallel", [nesting] * 5), ("sequential", [nesting] * 2)
    )
    list_id = create_list(api, name, '{"n": 12345678901234567890}')
    assert ended_states(api, list_id) == ["done", ["done"] * 4, ["done"] * 6, ["done"] * 3]

    results = {task_id: api.result(f"{list_id}.{task_id}").body.decode() for task_id in ("0.0", "0.2", "1.4", "2.1")}
    request = '{"n": 12345678901234567890}'
    assert results == {"0.0": f"[{request}]", "0.2": f"[[[{request}]]]", "1.4": f"[{request}]", "2.1": f"[[{request}]]"}
    keys = [call.idempotency_key for call in target.calls]
    assert keys[:3] == [f"{list_id}.0.{n}" for n in range(3)]
    assert sorted(keys[3:8], key=str) == [f"{list_id}.1.{n}" for n in range(5)]
    assert keys[8:] == [f"{list_id}.2.{n}" for n in range(2)]


class Gates:
    """Tasks that wait until the test lets them through, one by one."""

    def __init__(self) -> None:
        self._gates: dict[str, threading.Event] = {}

    def behave(self, wire: Wire) -> None:
        gate = self._gates.setdefault(place(wire), threading.Event())
        while not gate.is_set():
            wire.pause(0.01)
        answer()(wire)

    def open(self, task: str) -> None:
        """Let a task through, once it is called."""
        eventually(lambda: task in self._gates, what=f"{task} is called")
        self._gates[task].set()


def place(wire: Wire) -> str:
    """The group and position of the task that calls."""
    return (wire.call.idempotency_key or "").partition(".")[2]


def test_the_states_are_live_at_every_stage(api: Api, target: HttpTarget) -> None:
    gates = Gates()
    task = api.template(target.on("/gate", gates.behave))
    name = list_template(
        api, "stages", ("sequential", [task] * 3), ("parallel", [task] * 5), ("sequential", [task] * 2)
    )
    list_id = create_list(api, name)
    created, pending, done = "created", "pending", "done"

    def stage(*groups: list[str]) -> None:
        expected = [done if groups[-1][0] == done else pending, *groups]
        eventually(lambda: states(api, list_id) == expected, what=f"{expected}; it is {states(api, list_id)}")

    waiting, last = [created] * 6, [created] * 3
    stage([pending, pending, created, created], waiting, last)
    gates.open("0.0")
    stage([pending, done, pending, created], waiting, last)
    gates.open("0.1")
    stage([pending, done, done, pending], waiting, last)
    gates.open("0.2")
    first = [done] * 4
    stage(first, [pending] * 6, last)
    gates.open("1.3")
    stage(first, [pending, pending, pending, pending, done, pending], last)
    for position in (0, 4, 1):
        gates.open(f"1.{position}")
    stage(first, [pending, done, done, pending, done, done], last)
    gates.open("1.2")
    second = [done] * 6
    stage(first, second, [pending, pending, created])
    gates.open("2.0")
    stage(first, second, [pending, done, pending])
    gates.open("2.1")
    stage(first, second, [done] * 3)


@pytest.mark.parametrize("failing_task", range(3))
def test_a_failed_task_of_a_sequence_fails_the_rest_uncalled(
    api: Api, target: HttpTarget, nesting: str, failing_task: int
) -> None:
    broken = api.template(target.on("/broken", answer(500)), retry=NO_RETRY)
    tasks = [nesting] * 3
    tasks[failing_task] = broken
    name = list_template(api, f"broken-{failing_task}", ("sequential", tasks), ("parallel", [nesting]))
    list_id = create_list(api, name)

    ended = ["done"] * failing_task + ["failed"] * (3 - failing_task)
    assert ended_states(api, list_id) == ["failed", ["failed", *ended], ["done", "done"]]
    assert len(target.calls) == failing_task + 1 + 1
    for position in range(failing_task + 1, 3):
        status = api.call("GET", f"/v1/taskStatus/{list_id}.0.{position}")
        assert status.status == 207
        assert status.json()["error"] == "not called: a task before it in its group failed"
        assert status.json()["attempts"] == 0
        result = api.result(f"{list_id}.0.{position}")
        assert (result.status, result.json()["kind"]) == (424, 0)


@pytest.mark.parametrize("failing_task", range(5))
def test_a_failed_task_of_a_parallel_group_stops_none_of_the_others(
    api: Api, target: HttpTarget, nesting: str, failing_task: int
) -> None:
    broken = api.template(target.on("/broken", answer(500)), retry=NO_RETRY)
    tasks = [nesting] * 5
    tasks[failing_task] = broken
    name = list_template(api, f"one-of-five-{failing_task}", ("parallel", tasks), ("sequential", [nesting, nesting]))
    list_id = create_list(api, name)

    expected = ["failed" if position == failing_task else "done" for position in range(5)]
    assert ended_states(api, list_id) == ["failed", ["failed", *expected], ["done", "done", "done"]]
    assert len(target.calls) == 7
    assert api.result(f"{list_id}.0.{failing_task}").status == 424


def test_retries_apply_to_tasks_in_lists(api: Api, target: HttpTarget, nesting: str) -> None:
    retry = {"maxAttempts": 3, "minDelaySeconds": 0, "maxDelaySeconds": 0}
    flaky = api.template(target.on("/flaky", failing(2, echo)), retry=retry)
    name = list_template(api, "flaky-list", ("sequential", [nesting, flaky, nesting]), ("parallel", [nesting]))
    list_id = create_list(api, name)
    assert ended_states(api, list_id) == ["done", ["done"] * 4, ["done"] * 2]
    assert api.status(f"{list_id}.0.1")["attempts"] == 3
    assert len(target.calls_to("/flaky")) == 3
    assert len(target.calls_to("/nest")) == 3


def test_an_empty_group_among_others_is_done_with_no_tasks(api: Api, nesting: str) -> None:
    name = list_template(
        api, "with-empty", ("parallel", []), ("sequential", [nesting]), ("sequential", []), ("parallel", [])
    )
    list_id = create_list(api, name)
    assert ended_states(api, list_id) == ["done", ["done"], ["done", "done"], ["done"], ["done"]]
    groups = list_status(api, list_id).json()["groups"]
    assert ["tasks" in group for group in groups] == [False, True, False, False]


def test_get_and_head_tasks_of_lists_send_no_body(api: Api, target: HttpTarget) -> None:
    get = api.template(target.on("/get", answer(body=b"7")), method="GET")
    list_id = create_list(api, list_template(api, "getting", ("sequential", [get, get])), '{"large": 1}')
    ended_states(api, list_id)
    assert {call.body for call in target.calls} == {b""}


def test_a_parallel_group_of_a_thousand_finishes_with_every_status_right(api: Api, target: HttpTarget) -> None:
    def odd_ones_fail(wire: Wire) -> None:
        position = int((wire.call.idempotency_key or "").rpartition(".")[2])
        answer(404 if position % 2 else 200, body=b"%d" % position)(wire)

    task = api.template(target.on("/", odd_ones_fail), acceptStatus=[200])
    list_id = create_list(api, list_template(api, "thousand", ("parallel", [task] * 1_000)))
    expected = ["failed" if position % 2 else "done" for position in range(1_000)]
    assert ended_states(api, list_id, seconds=120) == ["failed", ["failed", *expected]]
    assert len(target.calls) == 1_000
    assert api.result(f"{list_id}.0.998").json() == 998


class TestCreating:
    def test_an_unknown_list_template_is_not_found(self, api: Api) -> None:
        answer = api.call("POST", "/v1/taskList/nobody", "{}")
        assert (answer.status, answer.json()["kind"]) == (404, 5)
        assert answer.json()["message"] == "taskList template not found"

    def test_a_list_that_names_unknown_tasks_is_not_found_and_names_them(self, api: Api, nesting: str) -> None:
        name = list_template(api, "dangling", ("sequential", ["no-such", nesting, "nor-this"]))
        answer = api.call("POST", f"/v1/taskList/{name}", "{}")
        assert (answer.status, answer.json()["kind"]) == (404, 5)
        message = answer.json()["message"]
        assert message.startswith("failed to create tasks for taskList")
        assert "'no-such'" in message
        assert "'nor-this'" in message

    @pytest.mark.parametrize("body", ["", " ", "{", "{} {}"])
    def test_a_bad_body_is_refused_like_a_tasks(self, api: Api, nesting: str, body: str) -> None:
        name = list_template(api, "any", ("sequential", [nesting]))
        answer = api.call("POST", f"/v1/taskList/{name}", body)
        assert (answer.status, answer.json()["kind"]) == (400, 1)

    @pytest.mark.parametrize(
        ("groups", "status"),
        [
            ([], 400),
            ([{"execution": "parallel", "tasks": []}], 400),
            ([{"execution": "Parallel", "tasks": ["a"]}], 400),
            ([{"execution": "parallel", "tasks": ["a"] * 1_001}], 413),
        ],
    )
    def test_a_template_that_cannot_run_is_refused(self, api: Api, groups: list[object], status: int) -> None:
        answer = api.call("PUT", "/v1/taskListTemplates/refused", json.dumps({"groups": groups}))
        assert (answer.status, answer.json()["kind"]) == (status, 1)
        assert answer.json()["message"].startswith("groups")

    @pytest.mark.parametrize("path", ["taskListStatus/nobody", "taskResult/nobody.0.0", "taskStatus/nobody.0.0"])
    def test_an_unknown_id_is_not_found(self, api: Api, path: str) -> None:
        answer = api.call("GET", f"/v1/{path}")
        assert (answer.status, answer.json()["kind"]) == (404, 5)
        assert answer.json()["message"] == ("taskList" if "List" in path else "task") + " is not found"

    def test_a_place_that_the_list_does_not_have_is_not_found(self, api: Api, nesting: str) -> None:
        list_id = create_list(api, list_template(api, "short", ("sequential", [nesting])))
        ended_states(api, list_id)
        for place in ("0.1", "1.0", "0.00", "0"):
            assert api.call("GET", f"/v1/taskStatus/{list_id}.{place}").status == 404
