"""A batch whose request is stopped anywhere: what is answered runs once, and the same batch completes the rest."""

from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from task_service.domain.call import Answered
from task_service.domain.errors import TaskServiceError, Unavailable
from task_service.domain.messages import TaskMessage
from task_service.domain.start import Start
from task_service.testing import FakeClock, InMemoryPlatform, InMemoryTemplates, ScriptedOutside, ScriptedTarget
from task_service.usecases.create_batch import Created, Item, Result
from task_service.wiring.services import Services
from tests.support.builders import NOW, order, services, stored_template
from tests.support.mortal import Died, Mortal
from tests.unit.test_notices import Fate

KEYED = [Item(order(payload=str(number)), f"k{number}") for number in range(3)]
LATER = Item(order(payload="3", start=Start(delay=timedelta(hours=1))), "k3")
WITHOUT = [Item(order(payload=str(number))) for number in range(4, 30)]
BATCH = [*WITHOUT[:13], *KEYED, LATER, KEYED[0], *WITHOUT[13:]]


class World:
    """An api function that may be stopped, and an executor that is not."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        templates = InMemoryTemplates(records={"greet": stored_template()})
        self.platform = InMemoryPlatform(clock=self.clock, task_templates=templates)
        self.target = ScriptedTarget(answers=[Answered(status=200, result="1")])

    def services(self, fate: Any = lambda: None) -> Services:
        names = ("tasks", "lists", "bodies", "queue", "task_templates", "keys", "search")
        ports = {name: Mortal(getattr(self.platform, name), fate) for name in names}
        platform: Any = SimpleNamespace(clock=self.clock, unit_of_work=self.platform.unit_of_work, **ports)
        return services(platform, ScriptedOutside(target=self.target))

    def create(self, fate: Any = lambda: None) -> list[Result]:
        return self.services(fate).batch_creator.create(BATCH)

    def run(self) -> None:
        """Handle the messages that have been sent, each at its time."""
        handler = self.services().message_handler
        while self.platform.queue.sent:
            message: Any = self.platform.queue.sent.pop(0).message
            assert isinstance(message, TaskMessage)
            self.clock.now = max(self.clock.now, message.not_before or self.clock.now)
            handler.handle(message, receipt="r", deadline=self.clock() + timedelta(seconds=60))

    @property
    def called(self) -> list[str]:
        """The ids of the tasks that were called."""
        return [call.headers["Idempotency-Key"] for call in self.target.calls]


@pytest.mark.parametrize("fault", [Died, Unavailable])
@pytest.mark.parametrize("runs_between", [False, True])
def test_wherever_it_stops_what_is_answered_runs_once(fault: type[BaseException], runs_between: bool) -> None:
    for stop_at in range(200):
        world, fate = World(), Fate(stop_at, fault)
        first: list[Result] = []
        with suppress(Died, Unavailable):
            first = world.create(fate)
        if runs_between:
            world.run()
        again = world.create()
        world.run()
        assert all(isinstance(result, Created) for result in again)
        answered = [result.task_id for result in [*first, *again] if isinstance(result, Created)]
        refused = sum(isinstance(result, TaskServiceError) for result in first)
        assert len(first) in (0, len(BATCH))
        # Each of what is answered is called once; what was refused is not there, unless its message was taken.
        assert set(answered) <= set(world.called), f"stopped at {stop_at}"
        assert len(world.called) == len(set(world.called))
        keyed = {result for item, result in zip(BATCH, again, strict=True) if item.key_hash}
        assert len({result.task_id for result in keyed if isinstance(result, Created)}) == 4
        bodies = [call.body for call in world.target.calls]
        assert sorted(bodies.count(str(number)) for number in range(4)) == [1, 1, 1, 1], f"stopped at {stop_at}"
        if fault is Unavailable and first:
            left = {task_id for task_id in world.platform.tasks.records if task_id not in answered}
            assert len(left) <= refused
        if not fate.has_struck:
            break
    assert 20 < stop_at < 199
