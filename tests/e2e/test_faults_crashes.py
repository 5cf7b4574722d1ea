"""Executors that are killed, and messages that come twice."""

import threading
from collections import Counter
from typing import Final

import pytest

from task_service.domain.isolation import MAX_CRASHES
from task_service.usecases.handle_dead_letter import REASON
from tests.support.api import eventually
from tests.support.aws_proxy import ConnectionLost, Fault, PassOn, Reply
from tests.support.behaviours import answer, echo, failing, hang, in_turn
from tests.support.faulty_cloud import LEASE_SECONDS, VISIBILITY_SECONDS, FaultyCloud
from tests.support.killer import Killer
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

TOLERANCE: Final = 0.5
"""Seconds between taking the lease and calling, on a busy machine."""

RETRY: Final = {"maxAttempts": 2, "minDelaySeconds": 0, "maxDelaySeconds": 0}


def test_a_message_that_comes_twice_runs_its_task_once(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    slow = faulty.api.template(target.on("/slow", hang()))

    with faulty.queue_held():
        before = faulty.api.create(name)
        faulty.send(before)
    during = faulty.api.create(slow)
    eventually(lambda: target.calls_to("/slow"), what="the slow call has started")
    faulty.send(during)
    faulty.wait_for_step(during, "leased")
    target.release()
    after = faulty.api.create(name)
    faulty.api.done(after)
    faulty.send(after)
    faulty.wait_for_step(after, "finished")

    task_ids = [before, during, after]
    assert {status["status"] for status in faulty.api.all_ended(task_ids)} == {"done"}
    faulty.wait_until_queues_are_empty()
    assert sorted(call.idempotency_key or "" for call in target.calls) == sorted(task_ids)


def test_a_task_whose_executor_is_killed_runs_again_once_its_lease_has_ended(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    # The message comes again before that, and is put back.
    with faulty.queue_with(VisibilityTimeout="2"):
        # The target works on, it does not notice.
        works_on = hang(seconds=LEASE_SECONDS - 3)
        task_id = faulty.api.create(faulty.api.template(target.on("/", in_turn(works_on, answer(body=b'"second"')))))
        target.wait_for_calls(1)
        faulty.kill_executors()
        faulty.wait_for_step(task_id, "leased")
        assert faulty.api.status(task_id)["status"] == "pending"

        status = faulty.api.done(task_id)
    # A crash is no attempt that failed.
    assert (status["attempts"], status["error"]) == (1, None)
    assert faulty.api.result(task_id).json() == "second"
    first, second = target.calls
    assert second.started - first.started >= LEASE_SECONDS - TOLERANCE
    assert target.most_at_a_time(task_id) == 1


class Crash:
    """Requests that wait for the crash of those who have made them."""

    def __init__(self) -> None:
        self._reached: set[str] = set()
        self._happened = threading.Event()

    def point(self, name: str, *, after_it: bool = False) -> Fault:
        """A request that gets as far as the cloud, or not even there, and whose answer no client reads."""

        def fault(pass_on: PassOn) -> Reply:
            if self._happened.is_set():
                return pass_on()
            if after_it:
                pass_on()
            self._reached.add(name)
            self._happened.wait()
            raise ConnectionLost

        return fault

    def wait_for(self, *names: str) -> None:
        """Return when all these points are reached."""
        eventually(lambda: self._reached >= set(names), what=f"{names} are reached")

    def happen(self) -> None:
        """The client waits no more."""
        self._happened.set()


def test_a_crash_at_any_point_leaves_no_task_behind_and_repeats_no_step_that_was_taken(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    good = faulty.api.template(target.on("/good", answer()))
    paths = [f"/bad/{number}" for number in range(3)]
    bad = [faulty.api.template(target.on(path, failing(1, answer())), retry=RETRY) for path in paths]
    crash = Crash()
    finish, schedule = "#finishedAt = :new_finishedAt", "#notBefore = :new_notBefore"
    second = '\\"attempt\\": 2'
    with faulty.queue_held():
        unfinished, finished = faulty.api.create(good), faulty.api.create(good)
        unscheduled, unsent, sent = (faulty.api.create(name) for name in bad)
    broken = faulty.proxy.broken
    with (
        broken("UpdateItem", crash.point("unfinished"), unfinished, finish),
        broken("UpdateItem", crash.point("finished", after_it=True), finished, finish),
        broken("UpdateItem", crash.point("unscheduled"), unscheduled, schedule),
        broken("SendMessage", crash.point("unsent"), unsent, second),
        broken("SendMessage", crash.point("sent", after_it=True), sent, second),
    ):
        crash.wait_for("unfinished", "finished", "unscheduled", "unsent", "sent")
        faulty.api.done(sent)
        faulty.kill_executors()
        crash.happen()
        task_ids = [unfinished, finished, unscheduled, unsent, sent]
        ended = faulty.api.all_ended(task_ids)
        faulty.wait_until_queues_are_empty()

    assert {status["status"] for status in ended} == {"done"}
    assert [status["attempts"] for status in ended] == [1, 1, 1, 2, 2]
    calls = [sum(call.idempotency_key == task_id for call in target.calls) for task_id in task_ids]
    # What was not written down is done again, no more than that.
    assert calls == [2, 1, 2, 2, 2]
    assert target.most_of_any_key == 1


def test_a_task_that_crashes_every_executor_fails(faulty: FaultyCloud, target: HttpTarget) -> None:
    task_id = faulty.api.create(faulty.api.template(target.on("/", hang(seconds=LEASE_SECONDS / 2))))
    # As after five receives, only earlier; its lease has to be over by then, also of an executor that starts slowly.
    with faulty.queue_with(VisibilityTimeout=str(LEASE_SECONDS + 4), **faulty.redrive_after(receives=2)):
        for crashes in (1, 2):
            target.wait_for_calls(crashes, seconds=60)
            faulty.kill_executors()
        status = faulty.api.failed(task_id)
        faulty.wait_until_queues_are_empty()

    assert status["error"] == "the executor was stopped during every one of its tries, by a crash or by its time limit"
    result = faulty.api.result(task_id)
    assert (result.status, result.json()["message"]) == (424, f"task failed: {status['error']}")
    assert len(target.calls) == 2


def test_only_the_task_that_crashes_its_executors_fails(faulty: FaultyCloud, target: HttpTarget) -> None:
    quick, slow = list[str](), list[str]()

    def crash(wire: Wire) -> None:
        faulty.api.all_ended(quick)
        faulty.kill_executor_on(wire.client_port)

    guilty = faulty.api.template(target.on("/guilty", crash))
    answered = faulty.api.template(target.on("/quick", echo))
    under_way = faulty.api.template(target.on("/slow", slow_echo))
    with faulty.queue_held():
        culprit = faulty.api.create(guilty)
        quick += [faulty.api.create(answered) for _ in range(5)]
        slow += [faulty.api.create(under_way) for _ in range(4)]

    ended = faulty.api.all_ended([*quick, *slow], seconds=120)
    failed = faulty.api.ended(culprit, seconds=180)
    faulty.wait_until_queues_are_empty()

    assert [status["status"] for status in ended] == ["done"] * 9
    assert (failed["status"], failed["error"]) == ("failed", REASON)
    calls = Counter(call.idempotency_key for call in target.calls)
    assert [calls[task_id] for task_id in quick] == [1] * 5
    # Once more where the call was under way when the executor crashed.
    assert all(1 <= calls[task_id] <= 2 for task_id in slow)
    assert calls[culprit] == MAX_CRASHES
    assert target.most_of_any_key == 1


def test_what_is_no_message_of_this_service_is_set_aside(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    list_id = create_list(faulty.api, list_template(faulty.api, "small", ("sequential", [name])))
    assert ended_states(faulty.api, list_id) == ["done", ["done"] * 2]
    texts = ["hello", f'{{"id":"t","attempt":{"9" * 400}}}']
    with faulty.queue_held():
        sent = {(text, faulty.send_text(text)) for text in texts}
        faulty.send(f"{list_id}.0.99")
        task_id = faulty.api.create(name)
    faulty.api.done(task_id)
    faulty.wait_for_step(f"{list_id}.0.99", "unknown")
    found: set[tuple[str, str]] = set()

    def all_found() -> bool:
        found.update(faulty.unreadable())
        return found >= sent

    eventually(all_found, what="both texts are set aside")
    faulty.wait_until_queues_are_empty()
    assert found == sent
    for _, message_id in sent:
        [line] = faulty.log_lines(message_id)
        assert '"level":"ERROR"' in line


def test_of_two_hundred_tasks_none_is_lost_while_executors_are_killed(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", slow_echo))
    with Killer(faulty, target) as killer:
        task_ids = [faulty.api.create(name, f'{{"n":{number}}}') for number in range(200)]
        # Until some have crashed twice.
        killer.go_on_for(VISIBILITY_SECONDS + 3)
    ended = faulty.api.all_ended(task_ids, seconds=120)

    assert {(status["status"], status["attempts"]) for status in ended} == {("done", 1)}
    results = [faulty.api.result(task_id).json() for task_id in task_ids]
    assert [result["body"] for result in results] == [f'{{"n":{number}}}' for number in range(200)]
    assert {call.idempotency_key for call in target.calls} == set(task_ids)
    assert len(target.calls) > len(task_ids), f"{killer.kills} kills have hit no executor"
    assert target.most_of_any_key == 1


def slow_echo(wire: Wire) -> None:
    """Works for a while, then answers with what it was sent."""
    wire.pause(0.5)
    echo(wire)
