"""Random lists under random disorder: messages in any order, twice, late, and processes that die anywhere.

The use cases run on the fakes; the world around them delivers, delays and duplicates messages, handles others in the
middle of one, lets a process die before or after any of its effects, and lets writes arrive long after their process
has given them up. Whatever happens, every list ends, and ends right; also one that is cancelled or replayed meanwhile.
And whenever a client looks, a state that it has seen as final is still the same. Every task that has failed, once or in
each of its replays, is told of exactly once, by a notice that fails itself and is told of by none.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task_service.domain import advance, task_list
from task_service.domain.call import Answered, CallRefused, HttpCall
from task_service.domain.errors import Conflict, Unavailable
from task_service.domain.messages import GroupStart, ListCancel, TaskMessage
from task_service.domain.notice import notice_id
from task_service.domain.outcome import Handled, Outcome, Step
from task_service.domain.task import Body, Place, State, Task, place_of
from task_service.domain.task_list import Execution, Overview, Plan, TaskListTemplate
from task_service.testing import (
    FakeClock,
    InMemoryBodies,
    InMemoryLists,
    InMemoryTasks,
    InMemoryTemplates,
    ScriptedPolicies,
    task_lists,
)
from task_service.usecases.read_list import ListReader
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.support import builders
from tests.support.builders import NOW, list_document, stored_template, template

pytestmark = pytest.mark.slow

LEASE = timedelta(seconds=60)
VISIBILITY = timedelta(seconds=90)
MAX_RECEIVES = 5
REQUEST = '"request"'

WRITES = frozenset(
    {"add", "claim", "finish", "retry", "abandon", "cancel", "replay"}
    | {"start_group", "end_task", "close_group", "end", "cancel_group"}
)
"""The writes of tasks and lists; any of them may arrive late."""

BEHAVIOURS = ("ok", "ok", "ok", "mends", "fails", "refused")
"""What a target does with a task: answers, answers the second time, answers 500 always, cannot be called at all."""


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Groups of three tasks are large already, so that chunks are among what is simulated."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (task_list, advance, task_lists):
            patch.setattr(module, "CHUNK", 2)
        yield


class WatchedTasks(InMemoryTasks):
    """Tasks that remember which failures there were, as long as a list's tasks have notices."""

    tells = True
    failures: set[str]
    """The ids of the notices of these failures."""

    def _put(self, task: Task) -> Task:
        if self.tells and task.state is State.FAILED and place_of(task.id) is not None:
            self.failures.add(notice_id(task))
        return super()._put(task)


class Died(BaseException):
    """The process is gone."""


@dataclass
class Letter:
    """A message in the queue."""

    message: TaskMessage | GroupStart | ListCancel
    visible_at: datetime
    receives: int = 0
    dead: bool = False


@dataclass
class Process:
    """A process that handles a message."""

    letter: Letter
    deadline: datetime


class Mortal:
    """A port whose every call is a place to die, and for others to come in between."""

    def __init__(self, port: Any, world: "World") -> None:
        self._port, self._world = port, world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._world.something_may_happen()
            if name in WRITES and self._world.is_late(lambda: method(*args, **kwargs)):
                raise Unavailable("no answer in time")
            answer = method(*args, **kwargs)
            self._world.something_may_happen()
            return answer

        return call


@dataclass(repr=False)
class World:
    """The queue, the clock, the targets, and fate."""

    plan: Plan
    behaviours: dict[tuple[int, int], str]
    seed: int
    deaths: int
    refusals: int
    tells: bool = False
    """Whether the templates name one that is told of failures."""
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    letters: list[Letter] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    late: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    """Writes that are still on their way, with the time of their arrival."""
    calls: Counter[str] = field(default_factory=Counter)
    callers: dict[str, Process] = field(default_factory=dict)
    used_dead_letters: bool = False
    seen: dict[str, State] = field(default_factory=dict)
    looked_at: tuple[int, int] = (-1, -1)
    """How many writes there were when a client looked last."""
    cancel_at: int | None = None
    """So many things happen before a client cancels the list."""
    gives_up: bool = False
    """Whether that client asks but once, and not again after an error."""
    cancelling: bool = False
    cancelled: bool = False
    """Whether the client has been told so, or the message that goes with it has been taken."""
    replays: int = 0
    """So many a client has asked for."""
    notices: Counter[str] = field(default_factory=Counter)
    """The calls of each notice."""

    def __repr__(self) -> str:
        groups = [(group.execution.value, len(group.tasks), group.final_policy) for group in self.plan.groups]
        fate = f"seed={self.seed}, deaths={self.deaths}, refusals={self.refusals}, tells={self.tells}"
        return f"World({groups}, {self.behaviours}, {fate})"

    def __post_init__(self) -> None:
        self.fate = random.Random(self.seed)
        self.tasks, self.bodies = WatchedTasks(), InMemoryBodies()
        self.tasks.failures, self.tasks.tells = set(), self.tells
        self.lists = InMemoryLists(self.tasks)
        told = stored_template("told", failureTask="told")
        self.templates = InMemoryTemplates(records={"told": told})
        self.policies = ScriptedPolicies({"count": lambda text: f'{{"results":{text}}}'})
        self.reading = ListReader(lists=self.lists, bodies=self.bodies, clock=self.clock)

    # -- what happens by itself

    def something_may_happen(self) -> None:
        """Die, be refused, or let another process act, as fate has it."""
        me = self.processes[-1]
        self.arrive()
        self._look()
        if self.cancel_at is not None:
            self.cancel_at -= 1
            if self.cancel_at <= 0:
                self.cancel_at = None
                self.cancel()
        if self.deaths and self.fate.random() < 0.08:
            self.deaths -= 1
            raise Died
        if self.refusals and self.fate.random() < 0.05:
            self.refusals -= 1
            raise Unavailable("fate")
        if len(self.processes) < 3 and self.fate.random() < 0.15:
            self.clock.advance(self.fate.choice([0, 0, 1, 20, 61]))
            self.deliver()
        if self.clock.now > me.deadline:
            # Its time is up.
            raise Died

    def is_late(self, write: Callable[[], object]) -> bool:
        """Whether the process gives a write up that arrives all the same, later."""
        if not self.refusals or self.fate.random() >= 0.05:
            return False
        self.refusals -= 1
        self.late.append((self.clock.now + timedelta(seconds=self.fate.choice([1, 4, 30, 100, 300])), write))
        return True

    def arrive(self) -> None:
        """Let the late writes arrive whose time has come."""
        due = [(at, write) for at, write in self.late if at <= self.clock.now]
        self.late = [(at, write) for at, write in self.late if at > self.clock.now]
        for _, write in due:
            write()
            self._look()

    def deliver(self) -> bool:
        """Deliver a message that is visible; False: there is none."""
        self.arrive()
        visible = [letter for letter in self.letters if letter.visible_at <= self.clock.now]
        if not visible:
            return False
        letter = self.fate.choice(visible)
        if self.fate.random() < 0.1:
            # Standard queues deliver more than once.
            self.letters.append(Letter(letter.message, self.clock.now, letter.receives, letter.dead))
        letter.receives += 1
        letter.visible_at = self.clock.now + VISIBILITY
        if letter.receives > MAX_RECEIVES and not letter.dead:
            letter.dead = self.used_dead_letters = True
        self.processes.append(Process(letter, self.clock.now + LEASE))
        try:
            if self._handle(letter).handled is Handled.DELETE and letter in self.letters:
                self.letters.remove(letter)
        except (Died, Unavailable):
            self._look()
        finally:
            self.processes.pop()
        return True

    def _handle(self, letter: Letter) -> Step:
        made = self._services()
        handler = made.dead_letter_handler if letter.dead else made.message_handler
        step: Step = handler.handle(letter.message, receipt="", deadline=self.processes[-1].deadline)
        if step.outcome is Outcome.CANCELLED:
            self.cancelled = self.cancelling = True
        return step

    # -- what clients do

    def cancel(self) -> None:
        """Cancel the list, again and again until there is an answer, or once."""
        self.cancelling = True
        canceller = self._services().canceller
        told = self._ask(lambda: canceller.task_list("list"), insists=not self.gives_up)
        if told is not None:
            self.cancelled = self.cancelled or told
            self.cancelling = self.cancelled

    def _services(self) -> Services:
        """The use cases of a process that may die at each of its calls."""
        platform: Any = SimpleNamespace(
            tasks=Mortal(self.tasks, self),
            lists=Mortal(self.lists, self),
            bodies=Mortal(self.bodies, self),
            queue=Mortal(self, self),
            clock=self.clock,
            task_templates=Mortal(self.templates, self),
            unit_of_work=nullcontext,
        )
        outside: Any = SimpleNamespace(target=Mortal(self, self), policies=Mortal(self.policies, self), cache=None)
        return Services(
            settings=Settings.from_environment({"EXECUTOR_MAX_TASK_RETRIES": "1"}),
            platform=platform,
            outside=outside,
            draw=self.fate.random,
            pause=self.clock.advance,
        )

    def replay(self) -> bool:
        """Replay the list, again and again until there is an answer; returns whether it was possible."""
        self.replays += 1
        replayer = self._services().replayer
        return self._ask(lambda: replayer.task_list("list")) is True

    def _ask(self, request: Callable[[], object], *, insists: bool = True) -> bool | None:
        """Whether the answer is that it was done; None: there is no answer, and the client has given up."""
        while True:
            self.processes.append(Process(Letter(GroupStart(list_id="-"), self.clock.now), self.clock.now + LEASE))
            try:
                request()
                return True
            except Conflict:
                return False
            except (Died, Unavailable):
                if not insists:
                    return None
            finally:
                self.processes.pop()

    # -- the queue

    def send(self, message: TaskMessage | GroupStart | ListCancel, *, due_at: datetime | None = None) -> None:
        self.letters.append(Letter(message, due_at or self.clock.now))

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        for message in messages:
            self.send(message)

    def postpone(self, receipt: str, *, until: datetime) -> None:
        self.processes[-1].letter.visible_at = until

    # -- the targets

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        task_id = call.headers["Idempotency-Key"]
        place = place_of(task_id)
        if place is None:
            self.notices[task_id] += 1
            raise CallRefused("cannot be called", can_retry=False)
        record = self.tasks.records[task_id]
        if self.cancelled:
            assert record.state is State.CANCELLED, "a task starts after its list was cancelled"
        else:
            allowed = (State.PENDING, State.CANCELLED) if self.cancelling else (State.PENDING,)
            assert record.state in allowed, "a finished task is called again"
        other = self.callers.get(task_id)
        assert other is None or other.deadline < self.clock.now, "two calls of one task at a time"
        for earlier in range(place.group):
            assert self.lists.groups[place.list_id, earlier].state.is_final, "groups overlap"
        assert call.body == self._expected_request(place), "a task got what was not meant for it"
        self.calls[task_id] += 1
        # Where the process dies now, the target may go on working until the lease has ended.
        self.callers[task_id] = self.processes[-1]
        self.something_may_happen()
        del self.callers[task_id]
        behaviour = self.behaviours[place.group, place.position]
        if behaviour == "refused":
            raise CallRefused("cannot be called", can_retry=False)
        if behaviour == "fails" or (behaviour == "mends" and record.attempt == 1):
            return Answered(status=500, result='"busy"')
        return Answered(status=200, result=f'"{task_id}"')

    def _expected_request(self, place: Place) -> str:
        if place.position == 0 or self.plan.groups[place.group].execution is Execution.PARALLEL:
            return REQUEST
        return f'"{place.list_id}.{place.group}.{place.position - 1}"'

    # -- what clients see

    def _look(self) -> None:
        """Compare what a client sees now with what it saw before; without a write since then it is the same."""
        writes = (self.tasks.writes, self.lists.writes)
        if writes == self.looked_at:
            return
        order = {State.CREATED: 0, State.PENDING: 1, State.DONE: 2, State.FAILED: 2, State.CANCELLED: 2}
        for name, state in shown(self.reading.overview("list")).items():
            before = self.seen.get(name, State.CREATED)
            if self.replays and before is State.FAILED:
                # It starts again at any moment; what is done stays.
                before = State.CREATED
            assert not before.is_final or before is state, f"{name} was {before}, and now is {state}"
            assert order[state] >= order[before], f"{name} goes back from {before} to {state}"
            self.seen[name] = state
        self.looked_at = writes


def shown(overview: Overview) -> dict[str, State]:
    """All states of a list that its status shows."""
    states = {"list": overview.state}
    for index in range(len(overview.plan.groups)):
        states[str(index)] = overview.group_state(index)
        states |= {f"{index}.{n}": state for n, state in enumerate(overview.task_states(index))}
    return states


def expected(plan: Plan, behaviours: dict[tuple[int, int], str]) -> tuple[dict[str, State], set[str]]:
    """How the list ends when nothing is given up, and which of its tasks are called."""
    states: dict[str, State] = {}
    called: set[str] = set()
    for index, group in enumerate(plan.groups):
        stopped = failed = False
        for position in range(len(group.tasks)):
            well = not stopped and behaviours[index, position] in ("ok", "mends")
            if not stopped:
                called.add(f"list.{index}.{position}")
            failed = failed or not well
            stopped = stopped or (not well and group.execution is Execution.SEQUENTIAL)
            states[f"{index}.{position}"] = State.DONE if well else State.FAILED
        states[str(index)] = State.FAILED if failed or group.final_policy == "nowhere" else State.DONE
    groups = [states[str(index)] for index in range(len(plan.groups))]
    states["list"] = State.FAILED if State.FAILED in groups else State.DONE
    return states, called


@st.composite
def worlds(draw: st.DrawFn, *, deaths: int, refusals: int) -> World:
    """Lists of up to four groups of up to four tasks, and a fate."""
    groups = draw(st.lists(st.tuples(st.sampled_from(list(Execution)), st.integers(0, 4)), min_size=1, max_size=4))
    policy = draw(st.sampled_from(["", "", "count", "nowhere"]))
    document = list_document(*[f"{execution} {size}" for execution, size in groups], final_policy=policy)
    tells = draw(st.sampled_from([False, False, True]))
    members = {"failureTask": "told"} if tells else {}
    plan = Plan(
        template=TaskListTemplate.from_text(document),
        tasks={f"t{position}": template(f"t{position}", **members) for position in range(4)},
    )
    return World(
        plan=plan,
        behaviours={
            (index, position): draw(st.sampled_from(BEHAVIOURS))
            for index, (_, size) in enumerate(groups)
            for position in range(size)
        },
        seed=draw(st.integers(0, 2**32)),
        deaths=deaths,
        refusals=refusals,
        tells=tells,
    )


def run(world: World) -> None:
    """Create the list, and let the world run until its queue is empty."""
    create(world)
    drain(world)


def create(world: World) -> None:
    world.lists.add(builders.task_list(plan=Body(text=world.plan.to_text()), request=Body(text=REQUEST)))
    world.send(GroupStart(list_id="list"))


def drain(world: World) -> None:
    for _ in range(5_000):
        if not world.letters and not world.late:
            return
        if not world.deliver():
            awaited = [letter.visible_at for letter in world.letters] + [at for at, _ in world.late]
            world.clock.now = max(world.clock.now, min(awaited, default=world.clock.now))
    raise AssertionError("it does not come to an end")


def check_notices(world: World) -> None:
    """Every failure of the list's tasks is told of once, and no failure of a notice."""
    notices = {task.id: task for task in world.tasks.records.values() if place_of(task.id) is None}
    assert notices.keys() == world.tasks.failures
    for notice in notices.values():
        assert notice.state is State.FAILED
        assert notice.context.is_notice
        assert notice.request is not None
        failed = json.loads(world.bodies.load(notice.request))
        assert place_of(failed["id"]) is not None
        assert failed["error"]


def check(world: World) -> None:
    check_notices(world)
    states, called = expected(world.plan, world.behaviours)
    ended = shown(world.reading.overview("list"))
    assert all(state.is_final for state in ended.values()), "something stays open"
    if not world.used_dead_letters:
        assert ended == states
        assert set(world.calls) == called


@given(worlds(deaths=0, refusals=0))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_in_order_every_task_is_called_as_often_as_it_has_attempts(world: World) -> None:
    run(world)
    check(world)
    if not world.used_dead_letters:
        for task_id, calls in world.calls.items():
            assert calls >= world.tasks.records[task_id].attempt


@given(worlds(deaths=6, refusals=6))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_every_list_ends_right_wherever_a_process_dies(world: World) -> None:
    run(world)
    check(world)


@given(worlds(deaths=60, refusals=20))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_also_where_messages_are_given_up_every_list_ends(world: World) -> None:
    run(world)
    check(world)


@given(worlds(deaths=6, refusals=6), st.integers(1, 120))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_after_a_cancellation_nothing_starts_and_everything_has_ended(world: World, cancel_at: int) -> None:
    world.cancel_at = cancel_at
    run(world)
    if not world.cancelled:
        # It had ended before, or ends with fewer events.
        check(world)
        return
    ended = shown(world.reading.overview("list"))
    check_notices(world)
    assert ended["list"] is State.CANCELLED
    assert all(state.is_final for state in ended.values()), "something stays open"
    uncalled = {name for name in ended if "." in name and f"list.{name}" not in world.calls}
    assert all(ended[name] is not State.DONE for name in uncalled)


@given(worlds(deaths=6, refusals=6), st.integers(1, 120))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_a_cancellation_that_breaks_off_is_completed(world: World, cancel_at: int) -> None:
    world.cancel_at, world.gives_up = cancel_at, True
    run(world)
    ended = shown(world.reading.overview("list"))
    if ended["list"] is not State.CANCELLED:
        # It had ended before, or nothing of the cancellation has happened.
        check(world)
        return
    assert world.cancelled, "nobody has completed it"
    check_notices(world)
    assert all(state.is_final for state in ended.values()), "something stays open"


@given(worlds(deaths=6, refusals=6), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_a_replay_calls_what_had_failed_and_nothing_else(world: World, times: int, fate: random.Random) -> None:
    run(world)
    for _ in range(2):
        before, calls = shown(world.reading.overview("list")), Counter(world.calls)
        if before["list"] is not State.FAILED:
            assert not world.replay()
            return
        for place, behaviour in world.behaviours.items():
            if behaviour in ("fails", "refused") and fate.random() < 0.5:
                world.behaviours[place] = "ok"
        replay = world.lists.lists["list"].replay
        for _ in range(times):
            world.replay()
        # Where a request dies, what it has started may be over before it is repeated.
        assert world.lists.lists["list"].replay > replay
        drain(world)
        check_replay(world, before, set((world.calls - calls).keys()))
        check_notices(world)


def check_replay(world: World, before: dict[str, State], called: set[str]) -> None:
    after = shown(world.reading.overview("list"))
    assert all(state.is_final for state in after.values()), "something stays open"
    done = {name for name, state in before.items() if "." in name and state is State.DONE}
    assert all(after[name] is State.DONE for name in done), "a result was not kept"
    assert not called & {f"list.{name}" for name in done}, "a task that was done is called again"
    if not world.used_dead_letters:
        states, reached = expected(world.plan, world.behaviours)
        assert after == states
        assert called == {task_id for task_id in reached if task_id.removeprefix("list.") not in done}


@given(worlds(deaths=6, refusals=6), st.integers(1, 60))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_replay_can_be_cancelled(world: World, cancel_at: int) -> None:
    run(world)
    if shown(world.reading.overview("list"))["list"] is not State.FAILED:
        return
    world.cancel_at = cancel_at
    if not world.replay():
        return
    drain(world)
    check_notices(world)
    ended = shown(world.reading.overview("list"))
    assert all(state.is_final for state in ended.values()), "something stays open"
    assert (ended["list"] is State.CANCELLED) == world.cancelled
