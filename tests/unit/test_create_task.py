"""Creating tasks: acknowledged means durable."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.errors import BadRequest, NotFound, TooLarge, Unavailable
from task_service.domain.messages import TaskMessage
from task_service.domain.task import Body, State, Task
from task_service.domain.template import StoredTemplate
from task_service.testing import (
    FakeClock,
    InMemoryPlatform,
    Sent,
)
from task_service.usecases.create_task import TaskCreator
from task_service.usecases.withdraw import AT_ONCE
from tests.support.builders import NOW, list_document, order, services, stored_template


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=self.clock)
        self.templates, self.tasks = self.platform.task_templates, self.platform.tasks
        self.queue, self.bodies = self.platform.queue, self.platform.bodies

    @property
    def creation(self) -> TaskCreator:
        return services(self.platform).task_creator


class Refused:
    """Creations of a task or a list that neither the queue takes nor the table takes back."""

    def __init__(self, kind: str) -> None:
        self.platform = InMemoryPlatform()
        self.platform.task_templates.records["t0"] = stored_template("t0")
        document = list_document("parallel 1")
        self.platform.list_templates.records["many"] = StoredTemplate(name="many", document=document, etag="1")
        made = services(self.platform)
        self.is_list = kind == "list"
        self.name = "many" if self.is_list else "t0"
        self.creation: Any = made.list_creator if self.is_list else made.task_creator
        self.records: Any = self.platform.lists if self.is_list else self.platform.tasks
        self.add = self.records.add

    @property
    def ids(self) -> list[str]:
        return list(self.records.lists if self.is_list else self.records.records)

    @property
    def shown(self) -> list[State]:
        return [self.records.get(record_id).state for record_id in self.ids]

    def create(self, *, the_queue_took_it: bool = False) -> None:
        setattr(self.platform.queue.faults, "after" if the_queue_took_it else "before", 1)
        self._break_after_adding()
        with pytest.raises(Unavailable):
            self.creation.create(order(self.name))

    def mend(self, *, breaks_again: bool = False) -> None:
        self.records.add = self.add
        if breaks_again:
            self._break_after_adding()

    def start(self) -> None:
        message = self.platform.queue.sent[0].message
        services(self.platform).message_handler.handle(message, receipt="r", deadline=NOW + timedelta(seconds=60))

    def _break_after_adding(self) -> None:
        def add(record: Any) -> Any:
            present = self.add(record)
            self.records.add, self.records.faults.before = self.add, 1
            return present

        self.records.add = add


@pytest.fixture(params=["task", "list"])
def refused(request: pytest.FixtureRequest) -> Refused:
    return Refused(request.param)


@pytest.fixture
def world() -> World:
    world = World()
    world.templates.records["greet"] = stored_template(cacheNamespace="login", cacheScope="user")
    return world


def test_a_created_task_is_in_the_table_and_its_message_in_the_queue(world: World) -> None:
    task_id = world.creation.create(order(payload='{"n": 1}'))

    task = world.tasks.records[task_id]
    assert task.state is State.CREATED
    assert task.request == Body(text='{"n": 1}')
    assert task.expires_at == world.clock.now + timedelta(days=30)
    assert world.queue.sent == [Sent(message=TaskMessage(task_id=task_id, attempt=1), delay_seconds=0)]
    assert world.tasks.writes == 1


def test_a_task_keeps_its_template_as_it_was(world: World) -> None:
    task_id = world.creation.create(order())
    world.templates.records["greet"] = stored_template(url="http://other.example/")
    assert url_of(world.tasks.records[task_id]) == "http://127.0.0.1:9/greet"


def url_of(task: Task) -> str:
    assert task.template is not None
    return task.template.url


@pytest.mark.parametrize(
    ("namespace", "scope", "expected"),
    [
        ("", "", ("login", "user")),
        ("mine", "", ("mine", "user")),
        ("", "all", ("login", "all")),
        ("mine", "all", ("mine", "all")),
    ],
)
def test_each_cache_header_overrides_its_half(
    world: World, namespace: str, scope: str, expected: tuple[str, str]
) -> None:
    task_id = world.creation.create(order(cache_namespace=namespace, cache_scope=scope))
    task = world.tasks.records[task_id]
    assert (task.cache_namespace, task.cache_scope) == expected


def test_a_large_payload_goes_to_the_bucket_before_the_record_is_written(world: World) -> None:
    payload = '"' + "x" * 200 + '"'
    task_id = world.creation.create(order(payload=payload))
    assert world.tasks.records[task_id].request == Body(blob=f"requests/{task_id}")
    assert world.bodies.blobs == {f"requests/{task_id}": payload}


def test_an_unknown_template_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match=r"^task template not found$"):
        world.creation.create(order("nobody"))


@pytest.mark.parametrize("payload", ["", " ", "\r\n\t "])
def test_a_blank_payload_is_refused(world: World, payload: str) -> None:
    with pytest.raises(BadRequest, match=r"^missing required payload$"):
        world.creation.create(order(payload=payload))


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ('{"a":oops}', "Expecting value at line 1 column 6"),
        ('"\t"', "Invalid control character at line 1 column 2"),
        ('\n"abc', "Unterminated string starting at line 2 column 1"),
    ],
)
def test_a_malformed_payload_is_refused_with_its_place(world: World, payload: str, fault: str) -> None:
    with pytest.raises(BadRequest, match=f"payload is not valid JSON: {fault}"):
        world.creation.create(order(payload=payload))


def test_a_payload_beyond_the_limit_is_refused_with_the_limit(world: World) -> None:
    with pytest.raises(TooLarge, match="at most 5000000 are allowed"):
        world.creation.create(order(payload="1" * 5_000_001))


def test_a_refused_payload_reads_nothing(world: World) -> None:
    with pytest.raises(BadRequest):
        world.creation.create(order(payload="oops"))
    assert world.templates.reads == 0


def test_a_record_whose_message_is_not_taken_is_removed(world: World) -> None:
    world.queue.faults.before = 1
    with pytest.raises(Unavailable):
        world.creation.create(order())
    assert world.tasks.records == {}


def test_a_message_that_was_taken_all_the_same_meets_no_record(world: World) -> None:
    world.queue.faults.after = 1
    with pytest.raises(Unavailable):
        world.creation.create(order())
    assert len(world.queue.sent) == 1
    assert world.tasks.records == {}


def test_the_client_gets_the_error_of_the_queue_also_where_the_record_cannot_be_removed(world: World) -> None:
    world.queue.faults.before = 1
    creation = world.creation

    def break_the_table() -> None:
        world.tasks.faults.before = 1

    add = world.tasks.add
    world.tasks.add = lambda task: (add(task), break_the_table())[0]  # type: ignore[method-assign,func-returns-value]
    with pytest.raises(Unavailable):
        creation.create(order())
    assert len(world.tasks.records) == 1


def test_a_record_that_could_not_be_removed_is_after_the_next_creation(refused: Refused) -> None:
    refused.create()
    assert refused.shown == [State.CREATED]
    refused.mend()
    kept = refused.creation.create(order(refused.name))
    assert refused.ids == [kept]


def test_what_the_table_still_refuses_to_remove_is_tried_again(refused: Refused) -> None:
    refused.create()
    refused.mend(breaks_again=True)
    first = refused.creation.create(order(refused.name))
    assert len(refused.ids) == 2
    second = refused.creation.create(order(refused.name))
    assert refused.ids == [first, second]


def test_a_record_that_was_started_after_all_is_not_removed(refused: Refused) -> None:
    refused.create(the_queue_took_it=True)
    refused.start()
    refused.mend()
    refused.creation.create(order(refused.name))
    assert len(refused.ids) == 2


def test_a_creation_removes_few_of_many_records(refused: Refused) -> None:
    for _ in range(AT_ONCE + 2):
        refused.create()
    refused.mend()
    refused.creation.create(order(refused.name))
    assert len(refused.ids) == 3
    refused.creation.create(order(refused.name))
    assert len(refused.ids) == 2


def test_a_record_that_cannot_be_written_sends_nothing(world: World) -> None:
    world.tasks.faults.before = 1
    with pytest.raises(Unavailable):
        world.creation.create(order())
    assert world.queue.sent == []


def test_templates_are_remembered_for_their_time(world: World) -> None:
    creation = world.creation
    creation.create(order())
    creation.create(order())
    assert world.templates.reads == 1
    world.clock.advance(31)
    creation.create(order())
    assert world.templates.reads == 2


def test_a_missing_template_is_not_remembered(world: World) -> None:
    creation = world.creation
    with pytest.raises(NotFound):
        creation.create(order("late"))
    world.templates.records["late"] = stored_template("late")
    assert creation.create(order("late"))
