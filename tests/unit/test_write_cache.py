"""The cache service: late rather than lost, and never a second call of the target for it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.call import CallRefused
from task_service.domain.errors import Unavailable
from task_service.domain.messages import (
    CacheWrite,
    GroupStart,
    ListCancel,
    QueueMessage,
    TaskMessage,
    from_text,
    to_text,
)
from task_service.domain.outcome import Handled, Outcome, Step
from task_service.domain.task import Body, State
from task_service.domain.task_list import Plan, TaskList, TaskListTemplate
from task_service.testing import (
    FakeClock,
    InMemoryCache,
    InMemoryPlatform,
    ScriptedOutside,
    ScriptedTarget,
)
from task_service.usecases.write_cache import REST
from tests.support.builders import NOW, list_document, services, task, task_list, template


class World:
    def __init__(self, **changes: Any) -> None:
        self.clock, self.cache, self.target = FakeClock(NOW), InMemoryCache(), ScriptedTarget()
        self.platform = InMemoryPlatform(clock=self.clock)
        self.tasks, self.queue = self.platform.tasks, self.platform.queue
        self.lists, self.bodies = self.platform.lists, self.platform.bodies
        self.tasks.records["t"] = task("t", cache_namespace="n", cache_scope="s", **changes)
        outside = ScriptedOutside(target=self.target, cache=self.cache)
        self.services = services(self.platform, outside)
        self.handler = self.services.message_handler

    def hang(self, seconds: float = 5) -> None:
        """Let the cache service take that long for its refusals, from now on."""
        self.cache.refuses = 1_000
        self.cache.during = lambda: self.clock.advance(seconds)

    def recover(self) -> None:
        """Let the cache service take everything at once, from now on."""
        self.cache.refuses, self.cache.during = 0, lambda: None

    @property
    def tries(self) -> int:
        """How often the cache service that hangs was tried."""
        return 1_000 - self.cache.refuses

    def handle(self, message: QueueMessage | None = None) -> Step:
        message = message or TaskMessage(task_id="t", attempt=1)
        return self.handler.handle(message, receipt="r", deadline=self.clock() + timedelta(seconds=60))


def test_a_result_is_written_under_the_tasks_id() -> None:
    world = World()
    assert world.handle().outcome is Outcome.DONE
    assert world.cache.entries == {"t": ("{}", "n", "s")}
    assert world.queue.sent == []


def test_a_task_that_failed_or_waits_writes_nothing() -> None:
    world = World(attempt=3)
    world.target.answers = [CallRefused("reset", can_retry=True)]
    assert world.handle(TaskMessage(task_id="t", attempt=3)).outcome is Outcome.FAILED
    assert world.cache.entries == {}


def test_a_cache_that_refuses_gets_it_later_and_the_target_no_second_call() -> None:
    world = World()
    world.cache.refuses = 3
    assert world.handle().outcome is Outcome.DONE
    for number in (1, 2, 3):
        sent = world.queue.sent[-1]
        assert isinstance(sent.message, CacheWrite)
        assert sent.message.attempt == number + 1
        assert sent.message.not_before is not None
        world.clock.now = sent.message.not_before
        step = world.handle(sent.message)
    assert step.outcome is Outcome.CACHED
    assert world.cache.entries == {"t": ("{}", "n", "s")}
    assert len(world.target.calls) == 1
    assert world.tasks.records["t"].state is State.DONE


@pytest.mark.parametrize("message", [None, CacheWrite(key="t", is_list=False, namespace="n", scope="s", attempt=2)])
def test_a_refusal_that_nothing_mends_is_the_last(message: CacheWrite | None, caplog: pytest.LogCaptureFixture) -> None:
    state = {"state": State.DONE, "result": Body(text="1")} if message else {}
    world = World(**state)
    world.cache.refuses, world.cache.refusal = 1, CallRefused("the cache service answered 413", can_retry=False)
    step = world.handle(message)
    assert (step.handled, step.outcome) == (Handled.DELETE, Outcome.GIVEN_UP if message else Outcome.DONE)
    assert world.queue.sent == []
    (said,) = caplog.records
    assert (said.levelname, vars(said)["key"]) == ("ERROR", "t")
    assert vars(said)["reason"] == "the cache service answered 413"


def test_a_cache_that_is_never_there_costs_a_bounded_number_of_messages() -> None:
    world = World(expires_at=NOW + timedelta(days=30))
    world.cache.refuses = 100_000
    assert world.handle().outcome is Outcome.DONE
    while (step := world.handle(world.queue.sent[-1].message)).outcome is not Outcome.UNKNOWN:
        world.clock.advance(world.queue.sent[-1].delay_seconds)
        assert step.outcome in (Outcome.RETRIED, Outcome.HOPPED)
    assert world.clock.now >= NOW + timedelta(days=30)
    assert 100_000 - world.cache.refuses < 1_500
    assert len(world.queue.sent) < 4_500


def ended(world: World, *ids: str) -> list[CacheWrite]:
    """The messages of tasks that are done and still to be written."""
    for each in ids:
        world.tasks.records[each] = task(each, state=State.DONE, result=Body(text="1"))
    return [CacheWrite(key=each, is_list=False, namespace="", scope="") for each in ids]


def test_a_cache_that_hangs_is_left_alone_for_a_while_and_then_tried_once() -> None:
    world = World()
    first, second, third = ended(world, "1", "2", "3")
    world.hang()
    assert world.handle(first).outcome is Outcome.RETRIED
    rests_until = world.clock.now + REST
    assert world.handle(second).outcome is Outcome.HOPPED
    for sent in world.queue.sent:
        assert isinstance(sent.message, CacheWrite)
        assert sent.message.attempt == 2
        assert sent.message.not_before is not None
        assert sent.message.not_before > rests_until

    world.clock.now = rests_until

    def meanwhile() -> None:
        assert world.handle(second).outcome is Outcome.HOPPED
        world.clock.advance(5)

    world.cache.during = meanwhile
    assert world.handle(first).outcome is Outcome.RETRIED
    assert world.handle(third).outcome is Outcome.HOPPED
    assert world.tries == 2
    last = world.queue.sent[-1].message
    assert isinstance(last, CacheWrite)
    assert last.not_before is not None
    assert last.not_before > world.clock.now + REST


def test_a_thread_that_finds_another_trying_after_a_rest_comes_again_soon() -> None:
    world = World()
    first, second = ended(world, "1", "2")
    world.hang()
    world.handle(first)
    world.clock.advance(REST.total_seconds())

    def meanwhile() -> None:
        assert world.handle(second).outcome is Outcome.HOPPED

    world.cache.refuses, world.cache.during = 0, meanwhile
    assert world.handle(first).outcome is Outcome.CACHED
    world.recover()
    sent = world.queue.sent[-1].message
    assert isinstance(sent, CacheWrite)
    assert sent.key == "2"
    assert sent.not_before is not None
    assert sent.not_before < world.clock.now + REST / 2
    world.clock.now = sent.not_before
    assert world.handle(sent).outcome is Outcome.CACHED


def test_a_cache_that_answers_again_is_used_again_by_all() -> None:
    world = World()
    first, second = ended(world, "1", "2")
    world.hang()
    world.handle(first)
    world.recover()
    assert world.handle(second).outcome is Outcome.HOPPED
    world.clock.advance(REST.total_seconds())
    assert world.handle(first).outcome is Outcome.CACHED
    assert world.handle(second).outcome is Outcome.CACHED


@pytest.mark.parametrize("can_retry", [True, False])
def test_a_refusal_at_once_keeps_no_other_write_from_being_tried(can_retry: bool) -> None:
    world = World()
    first, second = ended(world, "1", "2")
    world.cache.refuses, world.cache.refusal = 1, CallRefused("no", can_retry=can_retry)
    assert world.handle(first).outcome is not Outcome.CACHED
    assert world.handle(second).outcome is Outcome.CACHED


def test_a_cache_that_refuses_at_once_after_a_rest_is_left_alone_no_longer() -> None:
    world = World()
    first, second = ended(world, "1", "2")
    world.hang()
    world.handle(first)
    world.clock.advance(REST.total_seconds())
    world.cache.refuses, world.cache.during = 1, lambda: None
    assert world.handle(first).outcome is Outcome.RETRIED
    assert world.handle(second).outcome is Outcome.CACHED


def test_a_write_that_is_early_is_sent_on() -> None:
    world = World(state=State.DONE, result=Body(text="1"))
    early = CacheWrite(
        key="t", is_list=False, namespace="", scope="", attempt=9, not_before=NOW + timedelta(seconds=2_000)
    )
    assert world.handle(early).outcome is Outcome.HOPPED
    assert (world.queue.sent[0].message, world.queue.sent[0].delay_seconds) == (early, 900)


def test_a_write_that_a_dead_executor_has_missed_is_made_up_for() -> None:
    world = World(state=State.DONE, result=Body(text='"done"'))
    step = world.handle()
    assert (step.handled, step.outcome) == (Handled.DELETE, Outcome.FINISHED)
    assert world.cache.entries == {"t": ('"done"', "n", "s")}


def test_a_queue_that_does_not_take_the_retry_keeps_the_message() -> None:
    world = World()
    world.cache.refuses = 1
    world.queue.faults.before = 1
    with pytest.raises(Unavailable):
        world.handle()
    assert world.handle().outcome is Outcome.FINISHED
    assert world.cache.entries == {"t": ("{}", "n", "s")}
    assert len(world.target.calls) == 1


def test_what_is_no_longer_kept_is_dropped() -> None:
    world = World(state=State.DONE, result=Body(text="1"), expires_at=NOW)
    for key in ("t", "nobody"):
        write = CacheWrite(key=key, is_list=key != "t", namespace="", scope="")
        assert world.handle(write).outcome is Outcome.UNKNOWN
    assert world.cache.entries == {}


def a_list(world: World, tasks: int = 1) -> TaskList:
    plan = Plan(
        template=TaskListTemplate.from_text(list_document(f"sequential {tasks}")),
        tasks={f"t{number}": template(f"t{number}") for number in range(tasks)},
    )
    made = task_list(plan=Body(text=plan.to_text()), cache_namespace="n", cache_scope="s")
    world.lists.add(made)
    return made


def test_a_list_that_has_started_again_is_not_written_before_it_ends() -> None:
    world = World()
    made = a_list(world)
    write = CacheWrite(key="list", is_list=True, namespace="n", scope="s")
    world.lists.start_group(made, 0, parallel=0, failed_before=False)
    world.lists.close_group(made, 0, well=False, stopped_at=0)
    world.lists.end(made, well=False, now=NOW)
    world.lists.replay("list", number=1)
    assert world.handle(write).outcome is Outcome.UNKNOWN
    assert world.cache.entries == {}


def test_a_list_waits_once_for_a_cache_that_hangs() -> None:
    world = World()
    a_list(world, tasks=10)
    world.hang()
    step = world.handler.handle(GroupStart(list_id="list"), receipt="r", deadline=NOW + timedelta(seconds=60))
    assert len(step.attempts) == 10
    assert (world.clock.now, world.tries) == (NOW + timedelta(seconds=5), 1)
    sent = [each.message for each in world.queue.sent]
    assert [each.key for each in sent if isinstance(each, CacheWrite)] == [f"list.0.{n}" for n in range(10)] + ["list"]


def test_the_status_of_a_cancelled_list_is_written_with_its_message() -> None:
    world = World()
    a_list(world)
    world.cache.refuses = 1
    step = world.handle(ListCancel(list_id="list"))
    assert (step.handled, step.outcome) == (Handled.DELETE, Outcome.CANCELLED)
    write = world.queue.sent[-1].message
    assert isinstance(write, CacheWrite)
    assert write.not_before is not None
    world.clock.now = write.not_before
    assert world.handle(write).outcome is Outcome.CACHED
    text, *names = world.cache.entries["list"]
    assert (json.loads(text)["status"], names) == ("cancelled", ["n", "s"])


def test_a_list_that_ended_before_its_cancellation_is_not_written_again() -> None:
    world = World()
    world.lists.end(a_list(world), well=True, now=NOW)
    assert world.handle(ListCancel(list_id="list")).outcome is Outcome.FINISHED
    assert world.cache.entries == {}


def test_without_a_cache_service_a_write_is_dropped() -> None:
    world = World(state=State.DONE, result=Body(text="1"))
    world.handler.cache.cache = None
    assert world.handle(CacheWrite(key="t", is_list=False, namespace="", scope="")).outcome is Outcome.UNKNOWN
    assert world.handle().outcome is Outcome.FINISHED


@pytest.mark.parametrize("not_before", [None, NOW])
def test_the_message_arrives_as_it_was_sent(not_before: Any) -> None:
    write = CacheWrite(key="l", is_list=True, namespace="é", scope="", attempt=2, not_before=not_before)
    assert from_text(to_text(write)) == write
    assert None not in json.loads(to_text(write)).values()
