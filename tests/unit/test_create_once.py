"""Creating with an idempotency key: one thing for one key, from whatever point of a crash it is asked for again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.errors import BadRequest, KeyReused, NotFound, TooLarge, Unavailable
from task_service.domain.idempotency import fingerprint, key_hash, parse_key
from task_service.domain.identity import Caller
from task_service.domain.messages import GroupStart, TaskMessage
from task_service.domain.task import State
from task_service.domain.template import StoredTemplate
from task_service.testing import (
    FakeClock,
    Faults,
    InMemoryPlatform,
)
from tests.support.builders import list_document, order, services, stored_template

DAY = timedelta(days=1)
LARGE = '"' + "x" * 200 + '"'


@dataclass
class World:
    """Creating with a key, of tasks or of lists."""

    kind: str
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock)
        self.templates, self.list_templates = self.platform.task_templates, self.platform.list_templates
        self.tasks, self.lists, self.keys = self.platform.tasks, self.platform.lists, self.platform.keys
        self.queue, self.bodies = self.platform.queue, self.platform.bodies
        self.templates.records["t0"] = stored_template("t0")
        self.templates.records["many"] = stored_template("many")
        self.list_templates.records["many"] = StoredTemplate(
            name="many", document=list_document("parallel 1"), etag="1"
        )
        made = services(self.platform)
        self.keyed = made.keyed_creator
        self.creation: Any = made.task_creator if self.kind == "task" else made.list_creator

    def create(self, payload: str = "1", *, key: str = "k", name: str = "many", **headers: Any) -> str:
        return self.keyed.create(self.creation, key, self.kind, order(name, payload, **headers))[0]

    @property
    def records(self) -> dict[str, Any]:
        return self.tasks.records if self.kind == "task" else self.lists.lists

    @property
    def record_faults(self) -> Faults:
        return self.tasks.faults if self.kind == "task" else self.lists.faults

    @property
    def sent(self) -> list[Any]:
        return [sent.message for sent in self.queue.sent]

    def first_message(self, created: str) -> Any:
        return TaskMessage(task_id=created, attempt=1) if self.kind == "task" else GroupStart(list_id=created)

    def forget_templates(self) -> None:
        """The template is gone, and no function remembers it."""
        self.templates.records.clear()
        self.list_templates.records.clear()
        self.clock.advance(31)

    def start(self, created: str) -> None:
        """What the first message leads to has begun."""
        if self.kind == "task":
            now = self.clock.now
            self.tasks.claim(TaskMessage(task_id=created, attempt=1), now=now, lease_until=now + DAY, holder="h")
        else:
            self.lists.start_group(self.lists.lists[created], 0, parallel=1, failed_before=False)


@pytest.fixture(params=["task", "taskList"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_the_same_key_and_request_make_one_thing(world: World) -> None:
    created = world.create()
    assert world.create() == created
    assert list(world.records) == [created]
    assert set(world.sent) == {world.first_message(created)}


def test_a_first_creation_writes_the_key_and_the_record_and_sends_one_message(world: World) -> None:
    created = world.create()
    assert world.keys.records["k"].id == created
    assert world.keys.records["k"].expires_at == world.clock.now + DAY
    assert world.sent == [world.first_message(created)]
    assert world.records[created].request.text == "1"


def test_only_the_first_one_is_new(world: World) -> None:
    new = [world.keyed.create(world.creation, "k", world.kind, order("many"))[1] for _ in range(3)]
    assert new == [True, False, False]


def test_other_keys_make_other_things(world: World) -> None:
    assert len({world.create(key=str(number)) for number in range(3)}) == 3


@pytest.mark.parametrize(
    "change",
    [{"payload": "2"}, {"payload": "1 "}, {"name": "t0"}, {"cache_namespace": "n"}, {"cache_scope": "s"}],
)
def test_the_key_with_another_request_is_refused(world: World, change: dict[str, str]) -> None:
    world.list_templates.records["t0"] = StoredTemplate(name="t0", document=list_document("parallel 1"), etag="1")
    created = world.create()
    with pytest.raises(KeyReused, match="Idempotency-Key: it was used for another request"):
        world.create(**change)
    assert list(world.records) == [created]
    assert world.create() == created


def test_the_key_with_another_resource_is_refused(world: World) -> None:
    world.create()
    with pytest.raises(KeyReused):
        world.keyed.create(world.creation, "k", "another", order("many"))


def test_a_key_that_has_expired_makes_another_thing(world: World) -> None:
    first = world.create()
    world.clock.advance(DAY.total_seconds() - 1)
    assert world.create() == first
    world.clock.advance(1)
    second = world.create("2")
    assert second != first
    assert set(world.records) == {first, second}


@pytest.mark.parametrize(
    ("payload", "name", "error"),
    [
        ("", "many", BadRequest),
        ("oops", "many", BadRequest),
        ("1" * 5_000_001, "many", TooLarge),
        ("1", "no", NotFound),
    ],
)
def test_what_is_refused_consumes_no_key(world: World, payload: str, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        world.create(payload, name=name)
    assert world.keys.records == {}
    assert world.create()


def test_a_list_of_unknown_tasks_consumes_no_key() -> None:
    world = World("taskList")
    del world.templates.records["t0"]
    with pytest.raises(NotFound, match="failed to create tasks for taskList"):
        world.create()
    assert world.keys.records == {}


# -- crashes: every step fails, having done its work or not, and the client sends the request again

STEPS: dict[str, Callable[[World], Faults]] = {
    "key": lambda world: world.keys.faults,
    "body": lambda world: world.bodies.faults,
    "record": lambda world: world.record_faults,
    "message": lambda world: world.queue.faults,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_after_any_step_is_mended_by_the_client_s_retry(world: World, step: str, when: str) -> None:
    setattr(STEPS[step](world), when, 1)
    with pytest.raises(Unavailable):
        world.create(LARGE)
    promised = [use.id for use in world.keys.records.values()]

    created = world.create(LARGE)

    assert promised in ([], [created])
    assert list(world.records) == [created]
    assert world.bodies.load(world.records[created].request) == LARGE
    assert set(world.sent) == {world.first_message(created)}
    assert world.create(LARGE) == created


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_taken_back_when_the_message_cannot_be_sent(world: World, when: str) -> None:
    setattr(world.queue.faults, when, 1)
    with pytest.raises(Unavailable):
        world.create()
    assert list(world.records) == [use.id for use in world.keys.records.values()]


def test_a_retry_after_a_crash_may_find_the_template_changed(world: World) -> None:
    world.record_faults.before = 1
    with pytest.raises(Unavailable):
        world.create()
    world.clock.advance(31)
    world.templates.records["many"] = stored_template("many", url="http://127.0.0.1:9/new")
    created = world.create()
    assert list(world.records) == [created]


# -- what has started is not started again


def test_what_has_started_gets_no_second_message(world: World) -> None:
    created = world.create()
    world.start(created)
    assert world.create() == created
    assert world.sent == [world.first_message(created)]


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_gets_no_second_message(world: World, state: State) -> None:
    created = world.create()
    world.records[created] = replace(world.records[created], state=state)
    assert world.create() == created
    assert len(world.sent) == 1


def test_a_repeated_creation_leaves_the_plan_of_a_list_alone() -> None:
    world = World("taskList")
    world.bodies.inline_bytes = 10
    created = world.create()
    plan = world.bodies.load(world.lists.lists[created].plan)
    world.clock.advance(31)
    world.templates.records["t0"] = stored_template("t0", url="http://127.0.0.1:9/new")
    assert world.create() == created
    assert world.bodies.load(world.lists.lists[created].plan) == plan


# -- the template has vanished since


def test_a_known_key_answers_its_id_without_the_template(world: World) -> None:
    created = world.create()
    world.forget_templates()
    assert world.create() == created
    with pytest.raises(KeyReused):
        world.create("2")
    assert len(world.records) == 1


def test_without_the_template_a_message_that_was_not_sent_is_sent(world: World) -> None:
    world.queue.faults.before = 1
    with pytest.raises(Unavailable):
        world.create()
    world.forget_templates()
    created = world.create()
    assert world.sent == [world.first_message(created)]
    world.start(created)
    assert world.create() == created
    assert len(world.sent) == 1


def test_without_the_template_an_id_that_no_client_was_told_is_not_told(world: World) -> None:
    world.record_faults.before = 1
    with pytest.raises(Unavailable):
        world.create()
    world.forget_templates()
    with pytest.raises(NotFound):
        world.create()
    assert world.records == {}


def test_an_unknown_key_leaves_no_record_without_the_template(world: World) -> None:
    world.forget_templates()
    with pytest.raises(NotFound):
        world.create()
    assert world.keys.records == {}
    world.keys.faults.before = 1
    with pytest.raises(Unavailable):
        world.create()


# -- many at once


def test_of_many_at_once_all_get_one_id(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = set(pool.map(lambda _: world.create(), range(20)))
    assert len(created) == 1
    assert set(world.records) == created
    assert {world.first_message(*created)} == set(world.sent)


@pytest.mark.parametrize("step", STEPS)
def test_another_one_that_runs_through_before_any_step_makes_the_same(world: World, step: str) -> None:
    others: list[str] = []
    faults = STEPS[step](world)
    around = faults.around

    def run_through_first(work: Callable[[], Any]) -> Any:
        faults.around = around  # type: ignore[method-assign]
        others.append(world.create(LARGE))
        return work()

    faults.around = run_through_first  # type: ignore[method-assign]
    assert [world.create(LARGE)] == others
    assert list(world.records) == others
    assert set(world.sent) == {world.first_message(others[0])}


# -- keys


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (' "abc"\t', "abc"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('a"b', 'a"b'),
        ("a,b", "a,b"),
        ("~" * 255, "~" * 255),
        (f'"{"~" * 255}"', "~" * 255),
    ],
)
def test_a_key_may_be_quoted(header: str, key: str) -> None:
    assert parse_key(header) == key


@pytest.mark.parametrize(
    "header",
    ["", " ", '""', '"', '"abc', '"a"b"', '"abc";p=1', r'"\a"', "a b", '"a b"', "a, b", "é", "a\x7f", "~" * 256],
)
def test_what_is_no_key_is_refused_by_name(header: str) -> None:
    with pytest.raises(BadRequest, match=r"^Idempotency-Key: one key of 1 to 255 visible ASCII characters"):
        parse_key(header)


def test_callers_do_not_meet_each_other_s_keys() -> None:
    def of(key: str, **claims: str) -> str:
        return key_hash(key, Caller.from_claims(claims))

    ada = of("k", iss="i", sub="ada")
    assert ada == of('"k"', iss="i", sub="ada", scope="task", jti="another token")
    others = {
        of("k", iss="i", sub="bob"),
        of("k", iss="j", sub="ada"),
        of("kk", iss="i", sub="ada"),
        key_hash("k", None),
    }
    assert len(others | {ada}) == 5


def test_a_key_of_a_caller_without_the_claim_sub_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"^Idempotency-Key: the token has no claim sub"):
        key_hash("k", Caller.from_claims({"iss": "i"}))


def test_a_request_is_told_from_others_part_by_part() -> None:
    prints = {
        fingerprint("task", "ab", "c", "", ""),
        fingerprint("task", "a", "bc", "", ""),
        fingerprint("task", "ab", "", "c", ""),
        fingerprint("task", "ab", "", "", "c"),
        fingerprint("taskList", "ab", "c", "", ""),
        fingerprint("task", "ab", "\ud800", "", ""),
    }
    assert len(prints) == 6
