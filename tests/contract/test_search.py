"""What every implementation of the Search port does, beside the Tasks and TaskLists of the same table."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import Body, Place, State, Task
from task_service.domain.task_list import TaskList
from task_service.ports import Search
from tests.contract.conftest import BOUNDED, Implementation
from tests.support import builders
from tests.support.builders import CONTEXT, task

KEPT_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
LATER = timedelta(days=1)
MANY = 40
DAYS = count()


@dataclass
class World:
    """Tasks and lists in a day that no other test has."""

    implementation: Implementation
    search: Search
    day: datetime
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.tasks, self.lists = self.implementation.tasks, self.implementation.lists

    def task(self, milliseconds: int = 0, *, task_id: str | None = None, **changes: Any) -> Task:
        """Create a task, so long after the day's beginning."""
        values = {"created_at": self.day + timedelta(milliseconds=milliseconds), "expires_at": KEPT_UNTIL}
        created = task(task_id or str(uuid4()), **(values | changes))
        self.tasks.add(created)
        return created

    def claim(self, created: Task) -> Task:
        lease_until = self.day + LATER
        claim = self.tasks.claim(message_of(created), now=self.day, lease_until=lease_until, holder="a", birth=None)
        assert claim.task is not None
        return claim.task

    def done(self, created: Task) -> Task:
        self.tasks.finish(self.claim(created), Done(result="1"), result=Body(text="1"), now=self.day)
        return created

    def failed(self, created: Task) -> Task:
        self.tasks.finish(self.claim(created), Failed(error="no"), result=None, now=self.day)
        return created

    def task_list(self, milliseconds: int = 0, name: str = "many") -> TaskList:
        """Create a list, so long after the day's beginning."""
        created = builders.task_list(
            str(uuid4()), name=name, created_at=self.day + timedelta(milliseconds=milliseconds), expires_at=KEPT_UNTIL
        )
        self.lists.add(created)
        return created

    def filter(self, **changes: Any) -> Filter:
        """What is looked for, in this day unless something else is said."""
        return Filter(**({"since": self.day, "until": self.day + LATER} | changes))

    def found(self, *, limit: int = 100, before: str | None = None, **changes: Any) -> Found[Task]:
        """One page of tasks."""
        return self.search.tasks(self.filter(**changes), limit=limit, before=before, now=self.now)

    def ids(self, **changes: Any) -> list[str]:
        """The ids of the one page of tasks that there is."""
        found = self.found(**changes)
        assert found.next is None
        return [found_task.id for found_task in found.items]

    def list_ids(self, **changes: Any) -> list[str]:
        """The same of lists."""
        found = self.search.lists(self.filter(**changes), limit=100, before=None, now=self.now)
        assert found.next is None
        return [summary.id for summary in found.items]

    def pages(self, *, limit: int, **changes: Any) -> Iterator[list[str]]:
        """The ids of page after page of tasks."""
        before: str | None = None
        while True:
            page = self.found(limit=limit, before=before, **changes)
            yield [found_task.id for found_task in page.items]
            assert before is None or page.next is None or page.next < before
            before = page.next
            if before is None:
                return


@pytest.fixture
def world(implementation: Implementation) -> World:
    day = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=next(DAYS))
    return World(implementation=implementation, day=day, search=implementation.search())


def test_a_task_is_found_with_where_it_comes_from(world: World) -> None:
    world.task(context=CONTEXT)
    assert [found.context for found in world.found().items] == [CONTEXT]


def test_what_is_found_tells_who_has_changed_it(world: World) -> None:
    created, a_list = world.task(context=CONTEXT), world.task_list()
    world.failed(created)
    world.tasks.replay(created.id, number=1, by="Ada")
    world.tasks.cancel(created.id, reason="why", now=world.day, by="Bob")
    world.lists.end(a_list, well=False, now=world.day)
    opened = world.lists.replay(a_list.id, number=1, by="Ada")
    assert opened is not None
    world.lists.cancel(opened, now=world.day, by="Bob")
    [task] = world.found().items
    [summary] = world.search.lists(world.filter(), limit=1, before=None, now=world.now).items
    assert (task.replayed_by, task.cancelled_by) == (summary.replayed_by, summary.cancelled_by) == ("Ada", "Bob")


def test_nothing_is_found_where_there_is_nothing(world: World) -> None:
    assert world.found() == Found(items=[], next=None)


def test_the_newest_are_first(world: World) -> None:
    created = [world.task(milliseconds) for milliseconds in (500, 10, 86_399_999, 20, 11, 0)]
    ordered = sorted(created, key=lambda found: found.created_at, reverse=True)
    assert world.ids() == [found.id for found in ordered]


def test_a_task_is_found_as_it_is_but_for_its_bodies(world: World) -> None:
    created = world.failed(world.task(7, name="é"))
    kept = world.tasks.get(created.id)
    assert kept is not None
    [found] = world.found().items
    for member in (
        "id",
        "name",
        "state",
        "attempt",
        "created_at",
        "started_at",
        "finished_at",
        "response_code",
        "redirects",
        "final_origin",
        "error",
    ):
        assert getattr(found, member) == getattr(kept, member), member


def test_since_is_included_and_until_is_not(world: World) -> None:
    for milliseconds in (0, 1, 2, 3):
        world.task(milliseconds)
    since, until = world.day + timedelta(milliseconds=1), world.day + timedelta(milliseconds=3)
    found = world.found(since=since, until=until).items
    assert [(item.created_at - world.day).microseconds for item in found] == [2_000, 1_000]
    assert world.ids(since=until, until=until) == []
    finer = timedelta(microseconds=1)
    assert len(world.ids(since=since + finer, until=until + finer)) == 2


@pytest.mark.parametrize("offset", [timedelta(hours=23, minutes=34), -timedelta(hours=17, minutes=33)])
def test_a_time_with_any_offset_is_understood(world: World, offset: timedelta) -> None:
    created, odd = world.task(), timezone(offset)
    assert world.ids(since=world.day.astimezone(odd), until=(world.day + LATER).astimezone(odd)) == [created.id]
    for edge in (datetime(1, 1, 1, tzinfo=odd), datetime(9999, 12, 31, 23, tzinfo=odd)):
        assert world.ids(since=edge, until=edge) == []


def test_those_of_one_name_are_found(world: World) -> None:
    a = [world.task(number, name="a").id for number in range(3)]
    world.task(5, name="b")
    assert world.ids(name="a") == a[::-1]
    assert world.ids(name="A") == []


def test_those_of_one_state_are_found(world: World) -> None:
    created = world.task(0)
    pending = world.task(1)
    world.claim(pending)
    waiting = world.task(2)
    world.tasks.retry(world.claim(waiting), Retry(delay=LATER, error="busy"), not_before=world.day + LATER)
    done, failed, abandoned = world.done(world.task(3)), world.failed(world.task(4)), world.task(5)
    world.claim(abandoned)
    assert world.tasks.abandon(message_of(abandoned), error="crashed", now=world.day + 2 * LATER).won

    assert world.ids(state=State.CREATED) == [created.id]
    assert world.ids(state=State.PENDING) == [waiting.id, pending.id]
    assert world.ids(state=State.DONE) == [done.id]
    assert world.ids(state=State.FAILED) == [abandoned.id, failed.id]
    assert world.ids(state=State.CANCELLED) == []
    assert len(world.ids()) == 6


def test_name_state_and_time_go_together(world: World) -> None:
    for number in range(12):
        created = world.task(number, name="ab"[number % 2])
        if number % 3:
            world.failed(created)
    found = world.found(name="a", state=State.FAILED, since=world.day + timedelta(milliseconds=3)).items
    assert [(item.created_at - world.day).microseconds // 1_000 for item in found] == [10, 8, 4]


@pytest.mark.parametrize("limit", [3, 7, MANY, 100])
@pytest.mark.parametrize("spread", [0, 3, 1_000], ids=["one millisecond", "few milliseconds", "many milliseconds"])
def test_pages_together_have_everything_once(world: World, limit: int, spread: int) -> None:
    moments = random.Random(spread)
    created = {world.task(moments.randint(0, spread), name="a").id for _ in range(MANY)}
    pages = list(world.pages(limit=limit, name="a"))
    assert all(len(page) == limit for page in pages[:-1])
    found = [task_id for page in pages for task_id in page]
    assert len(found) == MANY
    assert set(found) == created


def test_what_is_created_meanwhile_changes_no_later_page(world: World) -> None:
    created = [world.task(number).id for number in range(MANY)]
    found: list[str] = []
    for page in world.pages(limit=9):
        found += page
        world.task(MANY + len(found))
    assert found == created[::-1]


@BOUNDED
def test_a_page_ends_where_enough_was_looked_at(world: World) -> None:
    # How many of them a page looks at depends on the shards that the ids fall into.
    numbers = random.Random(0)
    ids = [str(UUID(int=numbers.getrandbits(128))) for _ in range(300)]
    created = [
        world.task(number, task_id=task_id, name="common" if number % 50 else "rare").id
        for number, task_id in enumerate(ids)
    ]
    bounded = replace(world, search=world.implementation.search(bounded=True))
    pages = list(bounded.pages(limit=4, name="rare"))
    assert len(pages) > 2
    assert any(len(page) < 4 for page in pages[:-1])
    assert [task_id for page in pages for task_id in page] == created[::50][::-1]


def test_what_is_gone_since_the_index_saw_it_is_left_out(world: World) -> None:
    gone, kept = world.task(1), world.task(0)
    search = world.implementation.search(before_reading=lambda: world.tasks.remove(gone.id))
    found = search.tasks(world.filter(), limit=1, before=None, now=world.now)
    assert [item.id for item in found.items] == [kept.id]


def test_what_has_changed_since_the_index_saw_it_is_shown_as_it_is(world: World) -> None:
    created = world.task()
    search = world.implementation.search(before_reading=lambda: world.failed(created))
    found = search.tasks(world.filter(), limit=1, before=None, now=world.now)
    assert [item.state for item in found.items] == [State.FAILED]


def test_what_is_no_longer_looked_for_is_left_out(world: World) -> None:
    created, other = world.task(1), world.task(0)
    search = world.implementation.search(before_reading=lambda: world.done(created))
    found = search.tasks(world.filter(state=State.CREATED), limit=2, before=None, now=world.now)
    assert [item.id for item in found.items] == [other.id]


def test_what_is_past_its_retention_is_not_found(world: World) -> None:
    world.task(2, expires_at=KEPT_UNTIL - timedelta(seconds=1))
    kept = world.task(1)
    world.now = KEPT_UNTIL - timedelta(seconds=1)
    assert world.ids() == [kept.id]
    world.now = KEPT_UNTIL
    assert world.ids() == []


def test_more_records_are_read_than_one_request_can(world: World) -> None:
    wanted = world.task(0)
    for number in range(1, 150):
        world.done(world.task(number))
    assert world.ids(state=State.CREATED) == [wanted.id]


def test_a_place_before_all_that_is_looked_for_finds_nothing(world: World) -> None:
    world.task()
    assert world.found(before=f"{0:015}#a") == Found(items=[], next=None)


def test_tasks_of_lists_are_not_found_on_their_own(world: World) -> None:
    owner = world.task_list()
    birth = Task(
        id=Place(list_id=owner.id, group=0, position=0).task_id,
        name="t",
        state=State.CREATED,
        attempt=1,
        created_at=world.day,
        expires_at=KEPT_UNTIL,
    )
    message = TaskMessage(task_id=birth.id, attempt=1)
    claimed = world.tasks.claim(message, now=world.day, lease_until=world.day + LATER, holder="a", birth=birth).task
    assert claimed is not None
    assert world.ids() == []
    world.tasks.finish(claimed, Failed(error="no"), result=None, now=world.day)
    assert world.ids(state=State.FAILED) == []
    assert world.list_ids() == [owner.id]


def test_lists_are_found_by_name_state_and_time(world: World) -> None:
    created = world.task_list(0)
    pending, done, failed = (world.task_list(number, name="other") for number in (1, 2, 3))
    for started in (pending, done, failed):
        world.lists.start_group(started, 0, parallel=0, failed_before=False)
    world.lists.end(done, well=True, now=world.day)
    world.lists.end(failed, well=False, now=world.day + LATER)

    assert world.list_ids() == [failed.id, done.id, pending.id, created.id]
    assert world.list_ids(name="other") == [failed.id, done.id, pending.id]
    for state, owner in zip(
        (State.CREATED, State.PENDING, State.DONE, State.FAILED), (created, pending, done, failed), strict=True
    ):
        assert world.list_ids(state=state) == [owner.id]
    assert world.list_ids(state=State.CANCELLED) == []
    assert world.list_ids(name="many", state=State.FAILED) == []
    until = world.day + timedelta(milliseconds=3)
    assert world.list_ids(name="other", until=until) == [done.id, pending.id]
    assert world.ids() == []


def test_a_list_is_summed_up(world: World) -> None:
    created = world.task_list(5)
    world.lists.end(created, well=False, now=world.day + LATER)
    found = world.search.lists(world.filter(), limit=1, before=None, now=world.now)
    assert found.items == [
        ListSummary(
            id=created.id,
            name="many",
            state=State.FAILED,
            created_at=created.created_at,
            finished_at=world.day + LATER,
        )
    ]


def test_what_is_cancelled_or_replayed_is_found_as_such(world: World) -> None:
    cancelled, replayed, failed = world.task(0), world.failed(world.task(1)), world.failed(world.task(2))
    world.tasks.cancel(cancelled.id, reason="why", now=world.day)
    world.tasks.replay(replayed.id, number=1)
    assert world.ids(state=State.CANCELLED) == [cancelled.id]
    assert world.ids(state=State.FAILED) == [failed.id]
    assert world.ids(state=State.CREATED) == [replayed.id]


def test_lists_that_are_cancelled_or_replayed_are_found_as_such(world: World) -> None:
    cancelled, replayed = world.task_list(0), world.task_list(1)
    world.lists.cancel(cancelled, now=world.day)
    world.lists.start_group(replayed, 0, parallel=0, failed_before=False)
    world.lists.end(replayed, well=False, now=world.day)
    assert world.list_ids(state=State.FAILED) == [replayed.id]
    world.lists.replay(replayed.id, number=1)
    assert world.list_ids(state=State.CANCELLED) == [cancelled.id]
    assert world.list_ids(state=State.FAILED) == []
    assert world.list_ids(state=State.PENDING) == [replayed.id]
