"""The local cloud's count of invocations in a chain, and a chain that is longer than AWS allows unasked."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from local.lineage import Lineage
from task_service.domain.call import Answered
from task_service.domain.messages import TaskMessage
from task_service.domain.task import State
from task_service.testing import FakeClock, InMemoryPlatform, ScriptedOutside, ScriptedTarget, Sent
from tests.support.builders import NOW, services, task, template

LIMIT = 16
EXECUTOR = "executor"


def test_a_lineage_travels_in_a_trace_header() -> None:
    lineage = Lineage().with_another("api").with_another(EXECUTOR).with_another(EXECUTOR)
    assert lineage.header().startswith("Root=1-")
    read = Lineage.read([lineage.header()])
    assert (read.rounds("api"), read.rounds(EXECUTOR), read.rounds("failures")) == (1, 2, 0)


def test_a_batch_goes_on_with_the_longest_of_its_chains() -> None:
    chains = [Lineage({"aaaaaaaa": 3, "bbbbbbbb": 1}), Lineage({"aaaaaaaa": 2, "bbbbbbbb": 5}), Lineage()]
    assert Lineage.read(chain.header() for chain in chains) == Lineage({"aaaaaaaa": 3, "bbbbbbbb": 5})


@pytest.mark.parametrize("header", ["", "Root=1-2-3", "Lineage=", "Lineage=nonsense", "Lineage=aaaaaaaa:-1", "%", "🦊"])
def test_a_header_without_a_lineage_begins_a_chain(header: str) -> None:
    assert Lineage.read([header]) == Lineage()


def test_the_sdk_may_have_quoted_the_header() -> None:
    assert Lineage.read(["Root=1;Lineage=aaaaaaaa%3A3%2Cbbbbbbbb%3A1"]) == Lineage({"aaaaaaaa": 3, "bbbbbbbb": 1})


@dataclass
class Executor:
    """The executor function behind its queue, with a clock that jumps to the next message."""

    may_loop: bool
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    target: ScriptedTarget = field(default_factory=ScriptedTarget)
    lineage: Lineage = field(default_factory=Lineage)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock)
        self.tasks, self.queue = self.platform.tasks, self.platform.queue

    def run(self) -> None:
        """Take messages until there is none, or Lambda takes them for a loop."""
        handler = services(self.platform, ScriptedOutside(target=self.target)).message_handler
        while self.queue.sent and (self.may_loop or self.lineage.rounds(EXECUTOR) < LIMIT):
            [sent] = self.queue.sent
            self.queue.sent.clear()
            self.clock.advance(sent.delay_seconds)
            self.lineage = Lineage.read([self.lineage.with_another(EXECUTOR).header()])
            handler.handle(sent.message, receipt="receipt", deadline=self.clock() + timedelta(seconds=60))


@pytest.mark.parametrize("may_loop", [True, False])
def test_a_retry_after_five_hours_is_more_messages_than_lambda_allows_unasked(may_loop: bool) -> None:
    executor = Executor(may_loop=may_loop)
    executor.target.answers = [Answered(status=503, result="1", retry_after="18000"), Answered(status=200, result="2")]
    executor.tasks.add(task(template=template(), expires_at=NOW + timedelta(days=1)))
    executor.queue.sent = [Sent(message=TaskMessage(task_id="task-1", attempt=1), delay_seconds=0)]

    executor.run()

    ended = executor.tasks.get("task-1")
    assert ended is not None
    if may_loop:
        assert ended.state is State.DONE
        assert executor.clock() >= NOW + timedelta(hours=5)
        assert executor.lineage.rounds(EXECUTOR) > LIMIT
    else:
        assert ended.state is State.CREATED
        assert len(executor.target.calls) == 1
