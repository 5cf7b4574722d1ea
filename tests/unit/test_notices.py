"""Notices of tasks that have failed for good: for every way to fail one, and never a second one."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from task_service.domain.call import Answered, CallRefused
from task_service.domain.errors import Unavailable
from task_service.domain.isolation import MAX_CRASHES
from task_service.domain.messages import GroupStart, QueueMessage, TaskMessage, to_text
from task_service.domain.notice import MAX_ERROR, notice_id
from task_service.domain.outcome import Handled, Step
from task_service.domain.task import Body, State, Task
from task_service.domain.task_list import Plan, TaskListTemplate
from task_service.domain.trace import current_trace
from task_service.entrypoints.queues.task_batch import Batch
from task_service.testing import FakeClock, InMemoryBodies, InMemoryPlatform, ScriptedOutside, ScriptedTarget
from task_service.usecases.handle_dead_letter import REASON
from task_service.wiring.services import Services
from tests.support.builders import (
    CONTEXT,
    NOW,
    TRACE_ID,
    list_document,
    services,
    stored_template,
    task,
    task_list,
    template,
)
from tests.support.mortal import Died, Mortal

FAILS = template(failureTask="told")
REFUSED = CallRefused("cannot be called", can_retry=False)
MESSAGE = TaskMessage(task_id="task-1", attempt=1)


@dataclass
class Fate:
    """Strikes once, after so many calls and returns of ports."""

    after: int
    fault: type[BaseException]
    has_struck: bool = False

    def __call__(self) -> None:
        self.after -= 1
        if self.after < 0 and not self.has_struck:
            self.has_struck = True
            raise self.fault("fate")


@dataclass
class World:
    """A task whose template names one that is told; its target refuses every call."""

    target: ScriptedTarget = field(default_factory=lambda: ScriptedTarget(answers=[REFUSED]))
    context: Any = CONTEXT

    def __post_init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.platform = InMemoryPlatform(clock=self.clock, bodies=InMemoryBodies(inline_bytes=32_000))
        self.tasks, self.queue, self.templates = (
            self.platform.tasks,
            self.platform.queue,
            self.platform.task_templates,
        )
        self.templates.records["told"] = stored_template("told", failureTask="told")
        self.given()

    def given(self, **changes: Any) -> None:
        values: dict[str, Any] = {"template": FAILS, "context": self.context}
        self.tasks.records["task-1"] = task(**(values | changes))

    def services(self, fate: Callable[[], None] = lambda: None) -> Services:
        """The use cases of a process with that fate."""
        names = ("tasks", "lists", "bodies", "queue", "task_templates", "search")
        ports = {name: Mortal(getattr(self.platform, name), fate) for name in names}
        platform: Any = SimpleNamespace(clock=self.clock, unit_of_work=self.platform.unit_of_work, **ports)
        return services(platform, ScriptedOutside(target=self.target))

    def handle(self, message: QueueMessage = MESSAGE, *, fate: Callable[[], None] = lambda: None) -> Step:
        handler = self.services(fate).message_handler
        return handler.handle(message, receipt="r", deadline=self.clock() + timedelta(seconds=60))

    def run(self) -> None:
        """Handle the messages that have been sent, until there are none."""
        while self.queue.sent:
            message: Any = self.queue.sent.pop(0).message
            self.clock.now = max(self.clock.now, getattr(message, "not_before", None) or self.clock.now)
            self.handle(message)

    @property
    def notices(self) -> list[Task]:
        return [record for record in self.tasks.records.values() if record.context.is_notice]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the notices say."""
        return [json.loads(self.platform.bodies.load(notice.request or Body(text="null"))) for notice in self.notices]


@pytest.fixture
def world() -> World:
    return World()


class TestWhatIsTold:
    def test_a_task_that_is_refused_at_once(self, world: World) -> None:
        step = world.handle()
        assert step.outcome == "failed"
        [notice] = world.notices
        assert world.told == [
            {"id": "task-1", "name": "greet", "error": "cannot be called", "responseCode": None, "attempts": 1}
        ]
        assert (notice.name, notice.state, notice.expires_at) == ("told", State.CREATED, NOW + timedelta(days=30))
        assert [sent.message for sent in world.queue.sent] == [TaskMessage(task_id=notice.id, attempt=1)]

    def test_a_task_whose_attempts_are_used_up(self, world: World) -> None:
        world.given(template=template(failureTask="told", retry={"maxAttempts": 3}))
        world.target.answers = [Answered(status=503, result='"busy"')]
        world.handle()
        world.run()
        assert world.told == [
            {
                "id": "task-1",
                "name": "greet",
                "error": world.tasks.records["task-1"].error,
                "responseCode": 503,
                "attempts": 3,
            }
        ]

    @pytest.mark.parametrize("through", ["failures function", "executor"])
    def test_a_task_that_has_crashed_its_executors(self, world: World, through: str) -> None:
        world.given(state=State.PENDING, lease_until=NOW - timedelta(seconds=1), holder="dead", started_at=NOW)
        for _ in range(2):
            if through == "executor":
                world.handle(replace(MESSAGE, crashes=MAX_CRASHES))
            else:
                world.services().dead_letter_handler.handle(MESSAGE, receipt="r", deadline=NOW)
        assert [told["error"] for told in world.told] == [REASON]

    @pytest.mark.parametrize("execution", ["sequential", "parallel"])
    def test_each_task_of_a_list_that_was_called_and_none_that_was_not(self, world: World, execution: str) -> None:
        plan = Plan(
            template=TaskListTemplate.from_text(list_document(f"{execution} 2")),
            tasks={name: template(name, failureTask="told") for name in ("t0", "t1")},
        )
        world.platform.lists.add(task_list(plan=Body(text=plan.to_text()), context=CONTEXT))
        world.handle(GroupStart(list_id="list"))
        world.run()
        called = ["list.0.0"] if execution == "sequential" else ["list.0.0", "list.0.1"]
        assert sorted(told["id"] for told in world.told) == called
        assert {notice.context for notice in world.notices} == {replace(CONTEXT, is_notice=True)}

    def test_no_task_that_is_done_cancelled_or_names_none(self, world: World) -> None:
        world.target.answers = [Answered(status=200, result="1")]
        world.handle()
        world.given()
        world.services().canceller.task("task-1")
        world.handle()
        world.given(template=template())
        world.target.answers = [REFUSED]
        world.handle()
        assert world.notices == []

    def test_a_notice_carries_trace_and_caller_of_its_task(self) -> None:
        world = World(context=replace(CONTEXT, created_by="ada"))
        world.handle()
        [notice] = world.notices
        assert notice.context == replace(CONTEXT, created_by="ada", is_notice=True)

    def test_the_thread_goes_on_in_the_trace_of_the_task(self, world: World) -> None:
        world.handle()
        trace = current_trace()
        assert trace is not None
        assert trace.id == TRACE_ID

    def test_an_error_that_is_long_or_odd_fits_into_a_record(self, world: World) -> None:
        world.target.answers = [CallRefused("\U0001f600" * 10_000 + "\ud800", can_retry=False)]
        world.handle()
        [told] = world.told
        assert told["error"] == "\U0001f600" * (MAX_ERROR - 1) + "…"
        assert world.platform.bodies.blobs == {}
        world.given(id="task-1", replay=1)
        world.target.answers = [CallRefused("a\x00\ud800b", can_retry=False)]
        step = world.handle(replace(MESSAGE, replay=1))
        assert [notice.missed for notice in step.notices] == [None]


class TestOnce:
    def test_a_notice_that_fails_is_told_of_by_none(self, world: World) -> None:
        world.handle()
        world.run()
        [notice] = world.notices
        assert notice.state is State.FAILED
        assert len(world.tasks.records) == 2
        world.services().replayer.task(notice.id)
        world.run()
        assert len(world.tasks.records) == 2

    def test_each_replay_that_fails_is_told_of_once(self, world: World) -> None:
        for _ in range(3):
            world.handle()
            world.services().replayer.task("task-1")
            world.run()
        assert len(world.notices) == 4
        assert len({notice.id for notice in world.notices}) == 4

    def test_a_message_that_comes_again_changes_nothing(self, world: World) -> None:
        for _ in range(3):
            world.handle()
        assert len(world.notices) == 1
        assert {sent.message.task_id for sent in world.queue.sent if isinstance(sent.message, TaskMessage)} == {
            world.notices[0].id
        }
        world.run()
        calls = len(world.target.calls)
        world.handle()
        assert (len(world.target.calls), world.queue.sent) == (calls, [])

    @pytest.mark.parametrize("fault", [Died, Unavailable])
    def test_whatever_stops_an_executor_wherever_there_is_one_notice(self, fault: type[BaseException]) -> None:
        for stop_at in range(100):
            world, fate = World(), Fate(stop_at, fault)
            with suppress(Died, Unavailable):
                world.handle(fate=fate)
            # The queue delivers the message again, once the lease has ended.
            world.clock.advance(61)
            world.handle()
            world.run()
            assert world.tasks.records["task-1"].state is State.FAILED
            assert [told["id"] for told in world.told] == ["task-1"], f"stopped at {stop_at}"
            assert len([call for call in world.target.calls if call.headers["Idempotency-Key"] != "task-1"]) == 1
            if not fate.has_struck:
                break
        assert 8 < stop_at < 99

    @pytest.mark.parametrize(
        ("message", "given"),
        [
            (MESSAGE, {}),
            (GroupStart(list_id="list"), {}),
            (
                replace(MESSAGE, crashes=MAX_CRASHES),
                {"state": State.PENDING, "lease_until": NOW - timedelta(seconds=1), "started_at": NOW},
            ),
        ],
        ids=["a task", "a task of a list", "a task that has crashed its executors"],
    )
    def test_a_failure_is_logged_and_counted_once_when_its_notice_comes_later(
        self, world: World, message: QueueMessage, given: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", logger="task")
        plan = Plan(template=TaskListTemplate.from_text(list_document("sequential 1")), tasks={"t0": FAILS})
        world.platform.lists.add(task_list(plan=Body(text=plan.to_text())))
        world.given(**given)
        metrics = Metrics(namespace="Test", service="task")
        metrics.clear_metrics()
        batch = Batch(metrics, isolates=False)
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        queues: Any = SimpleNamespace(tasks=world.queue, unreadable=world.platform.unreadable)
        record: dict[str, Any] = {"messageId": "m", "receiptHandle": "r", "body": to_text(message)}
        record["attributes"] = {"ApproximateReceiveCount": "1"}
        again: list[int] = []
        for fails in (True, True, False):
            world.queue.faults.before = int(fails)
            handle = world.services().message_handler.handle
            answer = batch.run({"Records": [record]}, context, handle, queues, world.clock)
            again.append(len(answer["batchItemFailures"]))
            world.clock.advance(61)
        assert again == [1, 1, 0]
        assert len(world.notices) == 1
        assert metrics.metric_set["Failed"]["Value"] == [1.0]
        assert len([line for line in caplog.records if line.message == "failed"]) == 1
        metrics.clear_metrics()

    def test_a_replay_that_comes_before_the_notice_tells_first(self, world: World) -> None:
        # The executor has stopped between the end of the task and its notice.
        world.given(state=State.FAILED, error="cannot be called", started_at=NOW, finished_at=NOW)
        world.target.answers = [Answered(status=200, result="1")]
        world.services().replayer.task("task-1")
        world.handle()
        world.run()
        assert world.tasks.records["task-1"].state is State.DONE
        assert [told["error"] for told in world.told] == ["cannot be called"]

    @pytest.mark.parametrize("execution", ["sequential", "parallel"])
    def test_a_cancellation_that_comes_before_the_notice_tells_first(self, world: World, execution: str) -> None:
        plan = Plan(
            template=TaskListTemplate.from_text(list_document(f"{execution} 2")),
            tasks={name: template(name, failureTask="told") for name in ("t0", "t1")},
        )
        world.platform.lists.add(task_list(plan=Body(text=plan.to_text())))
        world.platform.lists.start_group(
            task_list(), 0, parallel=2 if execution == "parallel" else 0, failed_before=False
        )
        failed = task("list.0.0", state=State.FAILED, template=None, request=None, error="x", started_at=NOW)
        world.tasks.records["list.0.0"] = failed
        world.services().canceller.task_list("list")
        # The message that led the executor there leads no other one there.
        world.handle(GroupStart(list_id="list"))
        assert [told["id"] for told in world.told] == ["list.0.0"]

    def test_the_id_of_a_notice_is_that_of_no_other(self) -> None:
        failed = [task(task_id, replay=replay) for task_id in ("a", "b", "l.0.0") for replay in range(3)]
        assert len({notice_id(record) for record in failed}) == 9
        assert notice_id(failed[0]) == notice_id(replace(failed[0], attempt=7))


class TestATemplateThatIsNotThere:
    def test_the_task_stays_as_it_is_and_logs_and_metrics_tell(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.templates.records.clear()
        metrics = Metrics(namespace="Test", service="task")
        metrics.clear_metrics()
        made = services(world.platform, ScriptedOutside(target=world.target))
        body = json.dumps({"id": "task-1", "attempt": 1})
        attributes = {"ApproximateReceiveCount": "1"}
        record = {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        answer = Batch(metrics, isolates=True).run(
            {"Records": [record]}, context, made.message_handler.handle, made.batch_queues, made.clock
        )
        assert answer == {"batchItemFailures": []}
        assert world.tasks.records["task-1"].error == "cannot be called"
        assert world.notices == []
        [line] = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
        assert (line["action"], line["task_id"], line["task"]) == ("notify", "task-1", "told")
        assert line["reason"] == "task template not found"
        assert sum(metrics.metric_set["NoticesMissed"]["Value"]) == 1
        metrics.clear_metrics()

    def test_a_table_that_does_not_answer_is_no_missing_template(self, world: World) -> None:
        def refuse(*_: object) -> None:
            raise Unavailable("down")

        world.templates.get = refuse  # type: ignore[method-assign, assignment]
        with pytest.raises(Unavailable):
            world.handle()
        del world.templates.get
        assert world.handle().handled is Handled.DELETE
        assert len(world.notices) == 1
