"""What starts later, with executors that crash at every point: one call, at its time.

The queue is SQS's: it delays by a quarter of an hour at most, delivers a little late, and delivers again what was not
deleted within the visibility timeout.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from task_service.domain.call import Answered, HttpCall
from task_service.domain.messages import QueueMessage
from task_service.domain.outcome import Handled
from task_service.domain.start import MAX_WAIT, Start
from task_service.domain.task import State
from task_service.domain.template import StoredTemplate
from task_service.testing import FakeClock, InMemoryPlatform, ScriptedOutside
from task_service.wiring.services import Services
from tests.support.builders import NOW, list_document, order, services, stored_template
from tests.support.mortal import Died, Mortal

TWENTY_MINUTES = timedelta(minutes=20)
LEASE = timedelta(seconds=60)
VISIBILITY = timedelta(seconds=90)
LATENCY = timedelta(milliseconds=300)
"""From the time when a message is due until an executor has it."""
TOLERATED = timedelta(seconds=2)
MAX_RECEIVES = 5


@dataclass
class Letter:
    """A message in the queue."""

    message: QueueMessage
    visible_at: datetime
    receives: int = 0


@dataclass
class World:
    """The queue and its executors, which die at the points of these numbers."""

    kind: str
    wait: timedelta = TWENTY_MINUTES
    deaths: Container[int] = ()
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    points: int = 0
    died_at: list[datetime] = field(default_factory=list)
    calls: list[datetime] = field(default_factory=list)
    messages: int = 0

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock)
        self.platform.task_templates.records["t0"] = stored_template("t0")
        document = list_document("sequential 1")
        self.platform.list_templates.records["many"] = StoredTemplate(name="many", document=document, etag="1")
        self.letters: list[Letter] = []
        made = services(self.platform)
        start = Start(delay=self.wait)
        if self.kind == "task":
            self.id = made.task_creator.create(order("t0", start=start))
        else:
            self.id = made.list_creator.create(order("many", start=start))
        self._take_sent()

    @property
    def due(self) -> datetime:
        return NOW + self.wait

    @property
    def state(self) -> State:
        record = self.platform.tasks.get(self.id) if self.kind == "task" else self.platform.lists.get(self.id)
        assert record is not None
        return record.state

    def run(self) -> "World":
        """Deliver messages until there are none."""
        while self.letters:
            letter = min(self.letters, key=lambda one: one.visible_at)
            self.clock.now = max(self.clock.now, letter.visible_at + LATENCY)
            self._deliver(letter)
        return self

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """The target."""
        self.calls.append(self.clock.now)
        return Answered(status=200, result="1")

    def _deliver(self, letter: Letter) -> None:
        letter.receives += 1
        letter.visible_at = self.clock.now + VISIBILITY
        made = self._services()
        handler = made.message_handler if letter.receives <= MAX_RECEIVES else made.dead_letter_handler
        try:
            step = handler.handle(letter.message, receipt="", deadline=self.clock.now + LEASE)
            if step.handled is Handled.DELETE:
                self.letters.remove(letter)
        except Died:
            self.died_at.append(self.clock.now)
        self._take_sent()

    def _take_sent(self) -> None:
        """Put what was sent into the queue, with the delay that SQS would give it."""
        for sent in self.platform.queue.sent:
            self.messages += 1
            self.letters.append(Letter(sent.message, self.clock.now + timedelta(seconds=sent.delay_seconds)))
        for _, seconds in self.platform.queue.postponed:
            for letter in self.letters:
                letter.visible_at = min(letter.visible_at, self.clock.now + timedelta(seconds=seconds))
        self.platform.queue.sent.clear()
        self.platform.queue.postponed.clear()

    def _services(self) -> Services:
        mortal: Any = InMemoryPlatform(clock=self.clock)
        for name in ("tasks", "lists", "bodies", "queue"):
            setattr(mortal, name, Mortal(getattr(self.platform, name), self._reach_point))
        outside: Any = ScriptedOutside()
        outside.target = Mortal(self, self._reach_point)
        return services(mortal, outside, pause=self.clock.advance)

    def _reach_point(self) -> None:
        self.points += 1
        if self.points in self.deaths:
            raise Died


KINDS = pytest.mark.parametrize("kind", ["task", "list"])


@KINDS
def test_it_is_called_once_at_its_time(kind: str) -> None:
    world = World(kind).run()
    assert world.state is State.DONE
    assert [abs(call - world.due) <= TOLERATED for call in world.calls] == [True]


@KINDS
def test_whatever_executor_crashes_while_it_waits_it_is_called_once_at_its_time(kind: str) -> None:
    crashed = 0
    for deaths in deaths_of(kind):
        world = World(kind, deaths=deaths).run()
        assert world.state is State.DONE
        assert min(world.calls) >= world.due, "it is never called before its time"
        if max(world.died_at) < world.due - TOLERATED:
            crashed += 1
            assert len(world.calls) == 1
            assert world.calls[0] - world.due <= TOLERATED
    assert crashed, "no executor has crashed while it waits"


@KINDS
def test_an_executor_that_crashes_at_its_time_is_replaced_after_the_visibility_timeout(kind: str) -> None:
    for deaths in deaths_of(kind):
        world = World(kind, deaths=deaths).run()
        late = len(world.died_at) * (VISIBILITY + TOLERATED)
        assert world.calls[0] - world.due <= late
        # Only a crash between a call and the record of its end repeats the call.
        assert len(world.calls) <= 1 + sum(died >= world.due for died in world.died_at)


def deaths_of(kind: str) -> list[tuple[int, ...]]:
    """Every point of a run without crashes, and every two of them."""
    points = range(1, World(kind).run().points + 1)
    return [*((point,) for point in points), *combinations(points, 2)]


@KINDS
def test_thirty_days_are_waited_in_quarters_of_an_hour(kind: str) -> None:
    world = World(kind, wait=MAX_WAIT).run()
    assert [abs(call - world.due) <= TOLERATED for call in world.calls] == [True]
    assert 2_870 <= world.messages <= 2_880


def test_a_task_that_is_cancelled_while_it_waits_is_never_called() -> None:
    world = World("task")
    services(world.platform).canceller.task(world.id)
    assert world.run().calls == []
    assert world.state is State.CANCELLED


def test_a_list_that_is_cancelled_while_it_waits_is_never_called() -> None:
    world = World("list")
    services(world.platform).canceller.task_list(world.id)
    world._take_sent()
    assert world.run().calls == []
    assert world.state is State.CANCELLED
