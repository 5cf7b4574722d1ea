"""Executing tasks: every message, in every state it can meet, and every crash between two steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from task_service import VERSION
from task_service.domain.call import Answered, CallRefused
from task_service.domain.errors import Unavailable
from task_service.domain.isolation import MAX_CRASHES
from task_service.domain.messages import TaskMessage
from task_service.domain.outcome import Handled, Step
from task_service.domain.task import Body, State, Task
from task_service.testing import (
    FakeClock,
    InMemoryPlatform,
    ScriptedOutside,
    ScriptedPolicies,
    ScriptedTarget,
    Sent,
)
from task_service.usecases.handle_dead_letter import REASON
from tests.support.builders import NOW, services, task, template

LEASE = timedelta(seconds=60)


@dataclass
class World:
    target: ScriptedTarget = field(default_factory=ScriptedTarget)
    policies: ScriptedPolicies = field(default_factory=ScriptedPolicies)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    draw: float = 0.5
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock)
        self.tasks, self.queue, self.bodies = self.platform.tasks, self.platform.queue, self.platform.bodies

    def handle(self, message: TaskMessage | None = None) -> Step:
        outside = ScriptedOutside(target=self.target, policies=self.policies)
        message = message or TaskMessage(task_id="task-1", attempt=1)
        handler = services(self.platform, outside, draw=self.draw, pause=self._pause).message_handler
        return handler.handle(message, receipt="receipt-1", deadline=self.clock() + LEASE)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    def given(self, **changes: Any) -> None:
        self.tasks.records["task-1"] = task(**changes)

    @property
    def record(self) -> Task:
        return self.tasks.records["task-1"]


@pytest.fixture
def world() -> World:
    world = World()
    world.given()
    return world


def refused(reason: str = "reset", *, can_retry: bool = True) -> CallRefused:
    return CallRefused(reason, can_retry=can_retry)


def given(answer: str | CallRefused) -> str:
    """What a policy is told to say."""
    if isinstance(answer, CallRefused):
        raise answer
    return answer


def refuses(refusal: CallRefused, asked: list[str]) -> Callable[[str], str]:
    """A policy that is refused, and notes each time."""

    def evaluate(text: str) -> str:
        asked.append(text)
        raise refusal

    return evaluate


class TestARun:
    def test_a_task_is_claimed_called_and_done_in_two_writes(self, world: World) -> None:
        world.target.answers = [Answered(status=201, result='{"id": 7}')]
        step = world.handle()
        assert (step.handled, step.outcome) == (Handled.DELETE, "done")
        assert world.record.state is State.DONE
        assert world.record.result == Body(text='{"id": 7}')
        assert world.record.response_code == 201
        assert world.record.started_at == world.record.finished_at == NOW
        assert world.tasks.writes == 2
        assert world.queue.sent == []

    def test_it_is_pending_under_a_lease_while_the_target_works(self, world: World) -> None:
        seen: list[Task] = []
        world.target.during = lambda: seen.append(world.record)
        world.handle()
        assert seen[0].state is State.PENDING
        assert seen[0].lease_until == NOW + LEASE

    def test_the_call_carries_body_agent_and_idempotency_key(self, world: World) -> None:
        world.given(template=template(headers={"X-Tenant": "a", "user-agent": "mine"}))
        world.handle()
        call = world.target.calls[0]
        assert call.body == '{"n":1}'
        assert call.headers == {
            "user-agent": "mine",
            "X-Tenant": "a",
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Idempotency-Key": "task-1",
        }

    def test_redirects_are_followed_unless_the_template_says_no(self, world: World) -> None:
        world.handle()
        world.given(template=template(redirects=False))
        world.handle()
        assert [call.redirects for call in world.target.calls] == [True, False]

    @pytest.mark.parametrize("state", [State.DONE, State.FAILED])
    def test_the_record_tells_of_redirects(self, world: World, state: State) -> None:
        world.given(template=template(acceptStatus=["2xx"]))
        status = 200 if state is State.DONE else 404
        world.target.answers = [Answered(status=status, result="1", redirects=2, final_origin="https://login.example")]
        world.handle()
        assert (world.record.state, world.record.redirects) == (state, 2)
        assert world.record.final_origin == "https://login.example"

    def test_policies_do_not_hide_redirects(self, world: World) -> None:
        world.given(template=template(responsePolicy="p"))
        world.policies.policies["p"] = lambda _: "2"
        world.target.answers = [Answered(status=200, result="1", redirects=1, final_origin="https://login.example")]
        world.handle()
        assert (world.record.result, world.record.redirects) == (Body(text="2"), 1)

    @pytest.mark.parametrize(("attempt", "fresh"), [(1, False), (2, True), (3, True)])
    def test_every_attempt_after_the_first_has_a_new_connection(self, world: World, attempt: int, fresh: bool) -> None:
        world.given(attempt=attempt)
        world.handle(TaskMessage(task_id="task-1", attempt=attempt))
        assert world.target.calls[0].fresh_connection == fresh

    def test_the_agent_says_who_calls(self, world: World) -> None:
        world.handle()
        assert world.target.calls[0].headers["User-Agent"] == f"task-service/{VERSION}"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_get_and_head_send_no_body(self, world: World, method: str) -> None:
        world.given(template=template(method=method))
        world.handle()
        assert world.target.calls[0].body is None
        assert "Content-Type" not in world.target.calls[0].headers

    def test_large_bodies_come_from_and_go_to_the_bucket(self, world: World) -> None:
        world.bodies.blobs["requests/task-1"] = "[1]"
        world.given(request=Body(blob="requests/task-1"))
        result = '"' + "x" * 500 + '"'
        world.target.answers = [Answered(status=200, result=result)]
        world.handle()
        assert world.target.calls[0].body == "[1]"
        assert world.record.result == Body(blob="results/task-1/1")
        assert world.bodies.blobs["results/task-1/1"] == result

    def test_a_result_beyond_the_limit_fails_the_task_with_the_reason(self, world: World) -> None:
        world.target.answers = [Answered(status=200, result="1" * 5_000_001)]
        assert world.handle().outcome == "failed"
        assert world.record.error == "the result is too large: 5000001 bytes, at most 5000000 are allowed"


class TestPolicies:
    def test_a_request_policy_takes_the_place_of_the_call(self, world: World) -> None:
        world.given(template=template(requestPolicy="a/b/c/1"))
        world.policies.policies = {"a/b/c/1": lambda text: f'{{"saw":{text}}}'}
        world.handle()
        assert world.target.calls == []
        assert world.record.result == Body(text='{"saw":{"n":1}}')

    def test_response_and_final_policy_replace_the_response_in_turn(self, world: World) -> None:
        world.given(template=template(responsePolicy="r", finalPolicy="f"))
        world.policies.policies = {"r": lambda text: f"[{text}]", "f": lambda text: f'{{"final":{text}}}'}
        world.target.answers = [Answered(status=200, result="7")]
        world.handle()
        assert world.record.result == Body(text='{"final":[7]}')
        assert world.record.response_code == 200

    @pytest.mark.parametrize(("status", "accept"), [(503, []), (429, []), (404, ["2xx"])])
    def test_of_an_answer_that_is_no_success_no_policy_makes_anything(
        self, world: World, status: int, accept: list[str]
    ) -> None:
        world.given(template=template(responsePolicy="r", finalPolicy="f", acceptStatus=accept))
        world.target.answers = [Answered(status=status, result='"busy"', retry_after="7")]
        # An executor that asked for one of the policies would hear that there is none.
        assert world.handle().outcome == ("failed" if accept else "retried")
        assert world.record.response_code == status
        assert world.record.error == f'the target answered {status}: "busy"'
        assert [sent.delay_seconds >= 7 for sent in world.queue.sent] == ([] if accept else [True])

    def test_a_policy_that_is_not_to_be_had_is_asked_again_before_the_call_is_repeated(self, world: World) -> None:
        world.given(template=template(responsePolicy="busy"))
        answers: list[str | CallRefused] = [refused("busy"), refused("busy"), '"at last"']
        world.policies.policies["busy"] = lambda text: given(answers.pop(0))
        world.handle()
        assert world.record.result == Body(text='"at last"')
        assert len(world.target.calls) == 1

    def test_a_policy_that_stays_away_ends_the_attempt(self, world: World) -> None:
        world.given(template=template(responsePolicy="busy"))
        asked: list[str] = []
        world.policies.policies["busy"] = refuses(refused("busy"), asked)
        assert world.handle().outcome == "retried"
        assert len(asked) == 5
        assert len(world.target.calls) == 1

    def test_a_policy_is_not_waited_for_longer_than_the_attempt_may_take(self, world: World) -> None:
        world.given(template=template(responsePolicy="busy", timeoutSeconds=0.2))
        asked: list[str] = []
        world.policies.policies["busy"] = refuses(refused("busy"), asked)
        world.handle()
        assert len(asked) == 1

    def test_a_policy_that_is_refused_for_good_is_asked_once(self, world: World) -> None:
        world.given(template=template(responsePolicy="bad"))
        asked: list[str] = []
        world.policies.policies["bad"] = refuses(refused("bad", can_retry=False), asked)
        assert world.handle().outcome == "failed"
        assert len(asked) == 1

    def test_an_unknown_policy_fails_the_task_at_once(self, world: World) -> None:
        world.given(template=template(requestPolicy="nowhere"))
        assert world.handle().outcome == "failed"
        assert world.record.error == "policy 'nowhere' is not known"


class TestAFailedAttempt:
    def test_it_is_written_then_sent_with_its_delay(self, world: World) -> None:
        world.target.answers = [Answered(status=503, result="1", retry_after="10")]
        step = world.handle()
        assert (step.handled, step.outcome) == (Handled.DELETE, "retried")
        due = NOW + timedelta(seconds=11.5)
        assert world.record.state is State.CREATED
        assert world.record.attempt == 2
        assert world.record.not_before == due
        assert world.record.error == "the target answered 503: 1"
        message = TaskMessage(task_id="task-1", attempt=2, not_before=due)
        assert world.queue.sent == [Sent(message=message, delay_seconds=12)]

    def test_the_last_one_fails_the_task(self, world: World) -> None:
        world.given(attempt=3)
        world.target.answers = [refused("the connection to the target failed")]
        step = world.handle(TaskMessage(task_id="task-1", attempt=3))
        assert (step.handled, step.outcome) == (Handled.DELETE, "failed")
        assert world.record.state is State.FAILED
        assert world.record.error == "the connection to the target failed (attempt 3 of 3)"
        assert world.queue.sent == []

    def test_a_retry_that_succeeds_leaves_no_error(self, world: World) -> None:
        world.given(attempt=2, error="the target answered 503: 1", response_code=503)
        assert world.handle(TaskMessage(task_id="task-1", attempt=2)).outcome == "done"
        assert world.record.error is None
        assert world.record.response_code == 200

    def test_a_delay_beyond_what_the_queue_takes_hops(self, world: World) -> None:
        world.target.answers = [Answered(status=503, result="1", retry_after="2000")]
        world.handle()
        assert world.queue.sent[0].delay_seconds == 900

        hops = [world.queue.sent[0]]
        world.target.answers = [Answered(status=200, result="1")]
        while True:
            world.clock.advance(hops[-1].delay_seconds)
            hop = hops[-1].message
            assert isinstance(hop, TaskMessage)
            step = world.handle(hop)
            if step.outcome != "hopped":
                break
            hops.append(world.queue.sent[-1])
        # The last one is the longest, so that the one before it may come late. A second passes before it.
        assert [hop.delay_seconds for hop in hops] == [900, 202, 899]
        assert step.outcome == "done"
        assert len(world.target.calls) == 2

    def test_an_early_message_touches_no_record(self, world: World) -> None:
        world.given(attempt=2)
        message = TaskMessage(task_id="task-1", attempt=2, not_before=NOW + timedelta(seconds=5))
        assert world.handle(message).outcome == "hopped"
        assert world.tasks.writes == 0
        assert world.queue.sent == [Sent(message=message, delay_seconds=4)]

    def test_an_early_message_is_sent_again_no_faster_than_once_a_second(self, world: World) -> None:
        due = NOW + timedelta(seconds=20)
        world.given(attempt=2)
        message = TaskMessage(task_id="task-1", attempt=2, not_before=due)
        # A queue that ignores its delay: each message comes back at once.
        hops = 0
        while world.handle(message).outcome == "hopped":
            hops += 1
        assert hops == 19
        assert world.record.started_at == due

    def test_a_message_that_is_early_by_less_than_a_second_waits_for_its_time(self, world: World) -> None:
        due = NOW + timedelta(seconds=0.7)
        world.given(attempt=2)
        assert world.handle(TaskMessage(task_id="task-1", attempt=2, not_before=due)).outcome == "done"
        assert world.record.started_at == due
        assert world.queue.sent == []


class TestAMessageThatComesAgain:
    def test_after_its_run_it_calls_no_target(self, world: World) -> None:
        world.handle()
        step = world.handle()
        assert (step.handled, step.outcome) == (Handled.DELETE, "finished")
        assert len(world.target.calls) == 1

    def test_during_its_run_it_goes_back_until_the_lease_has_ended(self, world: World) -> None:
        steps: list[Step] = []

        def deliver_again() -> None:
            world.target.during = lambda: None
            world.clock.advance(20)
            steps.append(world.handle())

        world.target.during = deliver_again
        world.handle()
        assert (steps[0].handled, steps[0].outcome) == (Handled.KEEP, "leased")
        assert world.queue.postponed == [("receipt-1", 40)]
        assert len(world.target.calls) == 1

    def test_for_an_attempt_that_is_over_it_sends_the_next_one_again(self, world: World) -> None:
        due = NOW + timedelta(seconds=30)
        world.given(attempt=2, not_before=due)
        step = world.handle(TaskMessage(task_id="task-1", attempt=1))
        assert (step.handled, step.outcome) == (Handled.DELETE, "resent")
        assert world.queue.sent == [
            Sent(message=TaskMessage(task_id="task-1", attempt=2, not_before=due), delay_seconds=30)
        ]
        assert world.target.calls == []

    def test_after_too_many_crashes_it_calls_no_target_and_its_task_fails(self, world: World) -> None:
        world.given(state=State.PENDING, lease_until=NOW - timedelta(seconds=1), holder="dead")
        step = world.handle(TaskMessage(task_id="task-1", attempt=1, crashes=MAX_CRASHES))
        assert (step.handled, step.outcome) == (Handled.DELETE, "failed")
        assert world.record.state is State.FAILED
        assert world.record.error == REASON
        assert world.target.calls == []

    def test_before_that_it_is_called_again(self, world: World) -> None:
        world.given(state=State.PENDING, lease_until=NOW - timedelta(seconds=1), holder="dead")
        assert world.handle(TaskMessage(task_id="task-1", attempt=1, crashes=MAX_CRASHES - 1)).outcome == "done"
        assert len(world.target.calls) == 1

    def test_without_a_record_it_is_dropped(self, world: World) -> None:
        step = world.handle(TaskMessage(task_id="nobody", attempt=1))
        assert (step.handled, step.outcome) == (Handled.DELETE, "unknown")


class TestACrash:
    def test_while_the_target_works_is_taken_up_when_the_lease_has_ended(self, world: World) -> None:
        def die() -> None:
            raise KeyboardInterrupt

        world.target.during = die
        with pytest.raises(KeyboardInterrupt):
            world.handle()
        world.target.during = lambda: None

        assert world.handle().outcome == "leased"
        world.clock.advance(61)
        assert world.handle().outcome == "done"
        assert world.record.attempt == 1

    def test_a_holder_that_comes_back_too_late_changes_nothing(self, world: World) -> None:
        def be_overtaken() -> None:
            world.target.during = lambda: None
            world.clock.advance(61)
            world.target.answers = [Answered(status=200, result='"second"'), Answered(status=200, result='"first"')]
            assert world.handle().outcome == "done"

        world.target.during = be_overtaken
        assert world.handle().outcome == "lost"
        assert world.record.result == Body(text='"second"')

    def test_between_writing_a_retry_and_sending_it_loses_nothing(self, world: World) -> None:
        world.target.answers = [Answered(status=500, result="1")]
        world.queue.faults.before = 1
        with pytest.raises(Unavailable):
            world.handle()
        assert world.record.attempt == 2
        assert world.queue.sent == []

        assert world.handle().outcome == "resent"
        assert world.queue.sent[0].message == TaskMessage(
            task_id="task-1", attempt=2, not_before=world.record.not_before
        )


class TestATableThatDoesNotAnswer:
    def test_before_the_call_nothing_happens(self, world: World) -> None:
        world.tasks.faults.before = 1
        step = world.handle()
        assert (step.handled, step.outcome) == (Handled.DELETE, "put off")
        assert world.target.calls == []
        [sent] = world.queue.sent
        assert sent.message == TaskMessage(task_id="task-1", attempt=1)
        assert 1 <= sent.delay_seconds <= 21
        assert world.handle().outcome == "done"

    def test_nor_does_anything_where_the_queue_does_not_answer_either(self, world: World) -> None:
        world.tasks.faults.before = 1
        world.queue.faults.before = 1
        with pytest.raises(Unavailable):
            world.handle()
        assert world.target.calls == []

    @pytest.mark.parametrize("status", [200, 500])
    def test_after_the_call_the_write_is_repeated_not_the_call(self, world: World, status: int) -> None:
        world.target.answers = [Answered(status=status, result="1")]

        def break_the_table() -> None:
            world.tasks.faults.before = 4

        world.target.during = break_the_table
        step = world.handle()
        assert step.outcome == ("done" if status == 200 else "retried")
        assert world.pauses == [0.1, 0.2, 0.4, 0.8]
        assert len(world.target.calls) == 1

    def test_it_is_insisted_for_no_longer_than_the_lease(self, world: World) -> None:
        def break_the_table() -> None:
            world.tasks.faults.before = 1_000

        world.target.during = break_the_table
        with pytest.raises(Unavailable):
            world.handle()
        assert sum(world.pauses) < LEASE.total_seconds()
        assert sum(world.pauses) > LEASE.total_seconds() - 6

    @pytest.mark.parametrize(("status", "event"), [(200, "done"), (500, "retried")])
    def test_a_write_whose_answer_got_lost_recognises_itself(self, world: World, status: int, event: str) -> None:
        world.target.answers = [Answered(status=status, result="1")]

        def lose_the_next_answer() -> None:
            world.tasks.faults.after = 1

        world.target.during = lose_the_next_answer
        assert world.handle().outcome == event
        assert len(world.queue.sent) == (1 if event == "retried" else 0)

    def test_a_bucket_that_refuses_the_result_is_insisted_on(self, world: World) -> None:
        world.target.answers = [Answered(status=200, result='"' + "x" * 500 + '"')]
        world.bodies.faults.before = 2
        assert world.handle().outcome == "done"
        assert len(world.target.calls) == 1

    def test_a_bucket_that_refuses_the_request_puts_the_task_off_until_its_lease_has_ended(self, world: World) -> None:
        world.given(request=Body(blob="requests/task-1"))
        world.bodies.blobs["requests/task-1"] = "1"
        world.bodies.faults.before = 1
        step = world.handle()
        assert (step.handled, step.outcome) == (Handled.DELETE, "put off")
        assert world.target.calls == []
        [sent] = world.queue.sent
        world.clock.advance(sent.delay_seconds)
        assert world.handle().outcome == "done"
        assert world.record.attempt == 1
