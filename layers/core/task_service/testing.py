"""In-memory fakes of every port, for tests of the use cases.

The contract tests run on these and on the adapters alike, so what a use case meets here it meets on AWS.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from task_service.domain.errors import Unavailable
from task_service.domain.idempotency import KeyUse
from task_service.domain.paging import sort_key
from task_service.domain.retry import Answered
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import (
    Body,
    Done,
    Failed,
    Message,
    Place,
    QueueMessage,
    Retry,
    State,
    Task,
    place_of,
)
from task_service.domain.task_list import CHUNK, GroupState, TaskList
from task_service.domain.template import StoredTemplate
from task_service.ports import CallRefused, Claim, HttpCall, ListRecords, Page

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass
class FakeClock:
    """A clock that moves when it is told to."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Faults:
    """Makes the next calls of a fake fail."""

    before: int = 0
    """So many calls fail without having done anything."""
    after: int = 0
    """So many calls do their work, and their answers get lost."""

    def around(self, work: Callable[[], T]) -> T:
        """Do `work`, unless it is to fail."""
        if self.before:
            self.before -= 1
            raise Unavailable("fake: refused")
        done = work()
        if self.after:
            self.after -= 1
            raise Unavailable("fake: the answer got lost")
        return done


@dataclass
class InMemoryTasks:
    """The tasks of a table."""

    records: dict[str, Task] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    writes: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, task: Task) -> Task | None:
        """Write a task unless there is one of its id, which is returned."""

        def change() -> Task | None:
            present = self.records.get(task.id)
            if present is None:
                self._put(task)
            return present

        return self._change(change)

    def remove(self, task_id: str) -> None:
        """Take a task back."""
        self.faults.around(lambda: self.records.pop(task_id, None))

    def get(self, task_id: str) -> Task | None:
        """The task."""
        return self.faults.around(lambda: self.records.get(task_id))

    def ping(self) -> None:
        """Return where the table answers."""
        self.faults.around(lambda: None)

    def claim(
        self, message: Message, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        """Take the lease, if the message's attempt is due or the lease of a crashed holder has ended."""

        def change() -> Claim:
            task = self.records.get(message.task_id, birth)
            if task is None or (task is birth and message.attempt != birth.attempt):
                return Claim(won=False, task=None)
            due = task.state is State.CREATED and _is_the_attempt(task, message)
            if not (due or _lease_has_ended(task, now)):
                return Claim(won=task.state is State.PENDING and task.holder == holder, task=task)
            return Claim(
                won=True,
                task=self._put(
                    replace(
                        task,
                        state=State.PENDING,
                        lease_until=lease_until,
                        holder=holder,
                        started_at=task.started_at or now,
                        not_before=None,
                    )
                ),
            )

        return self._change(change)

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        """End a claimed task."""
        done = isinstance(end, Done)
        return self._change_claimed(
            task,
            lambda record: replace(
                record,
                state=State.DONE if done else State.FAILED,
                finished_at=now,
                lease_until=None,
                result=result if result is not None else record.result,
                error=end.error if isinstance(end, Failed) else None,
                response_code=end.response_code,
            ),
        )

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        """Give a claimed task back for its next attempt."""
        return self._change_claimed(
            task,
            lambda record: replace(
                record,
                state=State.CREATED,
                attempt=task.attempt + 1,
                not_before=not_before,
                lease_until=None,
                error=decision.error,
                response_code=decision.response_code,
            ),
        )

    def abandon(self, message: Message, *, error: str, now: datetime) -> Claim:
        """Fail a task whose current attempt, the message's, was started by somebody whose lease has ended."""

        def change() -> Claim:
            task = self.records.get(message.task_id)
            if task is None or not _lease_has_ended(task, now) or not _is_the_attempt(task, message):
                return Claim(won=False, task=task)
            failed = replace(
                task,
                state=State.FAILED,
                error=error,
                finished_at=now,
                lease_until=None,
                holder=None,
            )
            return Claim(won=True, task=self._put(failed))

        return self._change(change)

    def cancel(self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None) -> Claim:
        """End a task that has not ended; whoever works on it loses its lease."""

        def change() -> Claim:
            task = self.records.get(task_id, birth)
            waits = task and birth and task.state is State.FAILED and task.replay < birth.replay
            if task is None or (task.state.is_final and not waits):
                return Claim(won=False, task=task)
            cancelled = replace(
                task,
                state=State.CANCELLED,
                error=reason,
                finished_at=now,
                lease_until=None,
                holder=None,
            )
            return Claim(won=True, task=self._put(cancelled))

        return self._change(change)

    def replay(self, task_id: str, *, number: int) -> Claim:
        """Give a failed task back for the first attempt of that replay, unless that was done before."""

        def change() -> Claim:
            task = self.records.get(task_id)
            if task is None or task.state is not State.FAILED or task.replay >= number:
                return Claim(won=False, task=task)
            again = replace(
                task,
                state=State.CREATED,
                attempt=1,
                replay=number,
                not_before=None,
                started_at=None,
                finished_at=None,
                response_code=None,
                error=None,
            )
            return Claim(won=True, task=self._put(again))

        return self._change(change)

    def _change(self, change: Callable[[], T]) -> T:
        with self._lock:
            return self.faults.around(change)

    def _change_claimed(self, task: Task, changed: Callable[[Task], Task]) -> bool:
        def change() -> bool:
            record = self.records.get(task.id)
            if record is None or record.holder != task.holder:
                return False
            if record.state is State.PENDING:
                self._put(changed(record))
            return True

        return self._change(change)

    def _put(self, task: Task) -> Task:
        self.writes += 1
        self.records[task.id] = task
        return task


@dataclass
class InMemoryLists:
    """The task lists of a table, beside the tasks of one."""

    tasks: InMemoryTasks
    lists: dict[str, TaskList] = field(default_factory=dict)
    groups: dict[tuple[str, int], GroupState] = field(default_factory=dict)
    chunks: dict[tuple[str, int, int], GroupState] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    writes: int = 0

    def add(self, task_list: TaskList) -> TaskList | None:
        """Write a list unless there is one of its id, which is returned."""

        def add() -> TaskList | None:
            present = self.lists.get(task_list.id)
            if present is None:
                self._put(self.lists, task_list.id, task_list)
            return present

        return self.faults.around(add)

    def remove(self, list_id: str) -> None:
        """Take a list back."""
        self.faults.around(lambda: self.lists.pop(list_id, None))

    def get(self, list_id: str) -> TaskList | None:
        """The list."""
        return self.faults.around(lambda: self.lists.get(list_id))

    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        """Write a group's record, with `parallel` outstanding tasks; the one that is there, where there is one."""

        def start() -> GroupState:
            parts = range(parallel)
            if parallel > CHUNK:
                parts = range(-(-parallel // CHUNK))
                for chunk in parts:
                    positions = range(chunk * CHUNK, min((chunk + 1) * CHUNK, parallel))
                    whole = _group(task_list, chunk, positions)
                    self._start_part(self.chunks, (task_list.id, index, chunk), whole)
            group = _group(task_list, index, parts, failed_before=failed_before)
            return self._start_part(self.groups, (task_list.id, index), group)

        return self.faults.around(start)

    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are."""

        def end() -> GroupState | None:
            number, ended_well = position, well
            if parallel > CHUNK:
                number = position // CHUNK
                chunk = self._take_off(task_list, self.chunks, (task_list.id, index, number), position, well=well)
                if chunk.outstanding:
                    return None
                ended_well = not chunk.failed
            return self._take_off(task_list, self.groups, (task_list.id, index), number, well=ended_well)

        return self.faults.around(end)

    def close_group(
        self,
        task_list: TaskList,
        index: int,
        *,
        well: bool,
        stopped_at: int | None = None,
        result: Body | None = None,
        error: str | None = None,
    ) -> GroupState:
        """Write how a group ends, unless that is written; returns what is written then."""

        def close() -> GroupState:
            group = self.groups[task_list.id, index]
            if group.state.is_final or group.replay != task_list.replay:
                return group
            state = State.DONE if well else State.FAILED
            closed = replace(group, state=state, stopped_at=stopped_at, result=result, error=error)
            return self._put(self.groups, (task_list.id, index), closed)

        return self.faults.around(close)

    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        """Write how a list ends, unless that is written."""

        def end() -> None:
            record = self.lists[task_list.id]
            if not record.state.is_final and record.replay == task_list.replay:
                state = State.DONE if well else State.FAILED
                self._put(self.lists, task_list.id, replace(record, state=state, finished_at=now))

        self.faults.around(end)

    def cancel(self, task_list: TaskList, *, now: datetime) -> TaskList | None:
        """Write that a list is cancelled, unless it has ended; returns what is written then."""

        def cancel() -> TaskList | None:
            record = self.lists.get(task_list.id)
            if record is None or record.state.is_final or record.replay != task_list.replay:
                return record
            return self._put(self.lists, task_list.id, replace(record, state=State.CANCELLED, finished_at=now))

        return self.faults.around(cancel)

    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        """Close a group as cancelled, started or not, unless it has ended; returns what is written then."""

        def cancel() -> GroupState:
            group = self.groups.get((task_list.id, index)) or _group(task_list, index, ())
            waits = group.state is State.FAILED and group.replay < task_list.replay
            if group.state.is_final and not waits:
                return group
            cancelled = replace(group, state=State.CANCELLED, replay=task_list.replay)
            return self._put(self.groups, (task_list.id, index), cancelled)

        return self.faults.around(cancel)

    def replay(self, list_id: str, *, number: int) -> TaskList | None:
        """Open a failed list for that replay, unless that was done before; returns what is written then."""

        def again() -> TaskList | None:
            record = self.lists.get(list_id)
            if record is None or record.state is not State.FAILED or record.replay >= number:
                return record
            opened = replace(record, state=State.CREATED, replay=number, finished_at=None)
            return self._put(self.lists, list_id, opened)

        return self.faults.around(again)

    def records(self, list_id: str) -> ListRecords | None:
        """What a list's status is made of."""
        return self.faults.around(lambda: self._records(list_id))

    def results(self, list_id: str, index: int) -> Iterator[Body]:
        """The results of a group's tasks that are done, in order."""
        tasks = [(place, task) for place, task in self._tasks(list_id) if place.group == index]
        ordered = sorted(tasks, key=lambda item: item[0].position)
        return self.faults.around(lambda: iter([task.result for _, task in ordered if task.result is not None]))

    def _records(self, list_id: str) -> ListRecords | None:
        if list_id not in self.lists:
            return None
        groups = {index: group for (owner, index), group in self.groups.items() if owner == list_id}
        failed: dict[int, frozenset[int]] = {}
        for (owner, index, _), chunk in self.chunks.items():
            if owner == list_id:
                failed[index] = failed.get(index, frozenset()) | chunk.failed
        return ListRecords(
            task_list=self.lists[list_id],
            groups=groups,
            tasks={
                (place.group, place.position): self._shown(task, self.lists[list_id])
                for place, task in self._tasks(list_id)
                if place.group in groups and groups[place.group].state not in (State.DONE, State.FAILED)
            },
            failed={index: group.failed for index, group in groups.items()} | failed,
        )

    def _tasks(self, list_id: str) -> list[tuple[Place, Task]]:
        places = ((place_of(task_id), task) for task_id, task in self.tasks.records.items())
        return [(place, task) for place, task in places if place is not None and place.list_id == list_id]

    def _shown(self, task: Task, task_list: TaskList) -> State:
        return State.CREATED if task_list.will_replay(task.state, task.replay) else task.shown_state

    def _start_part(self, records: dict[K, GroupState], key: K, new: GroupState) -> GroupState:
        """Write a group's or a chunk's record, or take the one that is there into this replay."""
        known = records.get(key)
        if known is None:
            return self._put(records, key, new)
        if known.replay >= new.replay:
            return known
        taken = replace(known, replay=new.replay, failed_before=new.failed_before)
        if known.failed:
            taken = replace(taken, outstanding=known.failed, failed=frozenset())
        if known.state is State.FAILED:
            starts_at = known.starts_at if known.stopped_at is None else known.stopped_at
            taken = replace(taken, state=State.PENDING, starts_at=starts_at, stopped_at=None, result=None, error=None)
        return self._put(records, key, taken)

    def _take_off(
        self, task_list: TaskList, records: dict[K, GroupState], key: K, number: int, *, well: bool
    ) -> GroupState:
        state = records[key]
        if state.replay != task_list.replay:
            return state
        failed = state.failed if well else state.failed | {number}
        return self._put(records, key, replace(state, outstanding=state.outstanding - {number}, failed=failed))

    def _put(self, records: dict[K, T], key: K, record: T) -> T:
        self.writes += 1
        records[key] = record
        return record


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[T]):
    """What a search sees of a record."""

    name: str
    state: State
    created_at: datetime
    expires_at: datetime
    record: T


@dataclass
class InMemorySearch:
    """The search of a table, over its tasks and lists."""

    records: InMemoryLists
    looks: int = 10_000
    """So many records are looked at for one page."""
    before_reading: Callable[[], object] = lambda: None
    """Happens between finding records and reading them."""

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Up to `limit` tasks that are in no list."""
        return self._find(self._tasks, wanted, limit, before, now)

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Up to `limit` task lists."""
        return self._find(self._lists, wanted, limit, before, now)

    def _find(
        self,
        read: Callable[[], dict[str, Entry[T]]],
        wanted: Filter,
        limit: int,
        before: str | None,
        now: datetime,
    ) -> Found[T]:
        places = sorted((place for place in read() if before is None or place < before), reverse=True)
        self.before_reading()
        entries = read()
        items: list[T] = []
        for number, place in enumerate(places, start=1):
            entry = entries.get(place)
            if entry is not None and entry.expires_at > now and _is_wanted(entry, wanted):
                items.append(entry.record)
            if (len(items) == limit or number == self.looks) and number < len(places):
                return Found(items=items, next=place)
        return Found(items=items, next=None)

    def _tasks(self) -> dict[str, Entry[Task]]:
        return {
            sort_key(task.created_at, task.id): Entry(
                name=task.name,
                state=task.shown_state,
                created_at=task.created_at,
                expires_at=task.expires_at,
                record=task,
            )
            for task in self.records.tasks.records.values()
            if place_of(task.id) is None
        }

    def _lists(self) -> dict[str, Entry[ListSummary]]:
        return {
            sort_key(task_list.created_at, task_list.id): self._list_entry(task_list)
            for task_list in self.records.lists.values()
        }

    def _list_entry(self, task_list: TaskList) -> Entry[ListSummary]:
        has_started = any(list_id == task_list.id for list_id, _ in self.records.groups)
        summary = ListSummary.of(task_list, has_started=has_started)
        return Entry(
            name=summary.name,
            state=summary.state,
            created_at=summary.created_at,
            expires_at=task_list.expires_at,
            record=summary,
        )


@dataclass
class InMemoryTemplates:
    """The templates of one kind in a table."""

    records: dict[str, StoredTemplate] = field(default_factory=dict)
    reads: int = 0

    def get(self, name: str) -> StoredTemplate | None:
        """The template of that name."""
        self.reads += 1
        return self.records.get(name)

    def put(self, template: StoredTemplate, *, if_match: str | None, if_new: bool) -> bool | None:
        """Write it, where the condition holds."""
        known = self.records.get(template.name)
        if (if_new and known is not None) or not _matches(known, if_match):
            return None
        self.records[template.name] = template
        return known is None

    def delete(self, name: str, *, if_match: str | None) -> bool | None:
        """Delete it, where the condition holds."""
        if not _matches(self.records.get(name), if_match):
            return None
        return self.records.pop(name, None) is not None

    def page(self, *, limit: int, after: str | None) -> Page:
        """Up to `limit` templates with names greater than `after`."""
        names = sorted(name for name in self.records if after is None or name > after)
        taken = names[:limit]
        return Page(items=[self.records[name] for name in taken], next=taken[-1] if len(names) > limit else None)


@dataclass
class InMemoryKeys:
    """The idempotency keys of a table."""

    records: dict[str, KeyUse] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, use: KeyUse, *, now: datetime) -> KeyUse:
        """Write what a key is used for, unless it is in use."""
        with self._lock:
            return self.faults.around(lambda: self._used(use.key_hash, now) or self._put(use))

    def get(self, key_hash: str, *, now: datetime) -> KeyUse | None:
        """What a key is used for at that time."""
        return self.faults.around(lambda: self._used(key_hash, now))

    def _used(self, key_hash: str, now: datetime) -> KeyUse | None:
        use = self.records.get(key_hash)
        return use if use is not None and use.expires_at > now else None

    def _put(self, use: KeyUse) -> KeyUse:
        self.records[use.key_hash] = use
        return use


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message in the fake queue."""

    message: QueueMessage
    delay_seconds: int


@dataclass
class InMemoryQueue:
    """A queue."""

    sent: list[Sent] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def send(self, message: QueueMessage, *, delay_seconds: int = 0) -> None:
        """Put a message into the queue."""
        if not 0 <= delay_seconds <= 900:
            raise ValueError(f"SQS takes delays from 0 to 900 s, not {delay_seconds}")
        self.faults.around(lambda: self.sent.append(Sent(message=message, delay_seconds=delay_seconds)))

    def send_all(self, messages: Sequence[Message]) -> None:
        """Put messages into the queue."""
        for start in range(0, len(messages), 10):
            batch = messages[start : start + 10]
            self.faults.around(partial(self.sent.extend, [Sent(message=message, delay_seconds=0) for message in batch]))

    def postpone(self, receipt: str, *, seconds: int) -> None:
        """Keep a received message from appearing again for that long."""
        self.faults.around(lambda: self.postponed.append((receipt, seconds)))

    def ping(self) -> None:
        """Return where the queue answers."""
        self.faults.around(lambda: None)


@dataclass
class InMemoryBodies:
    """Bodies; those longer than `inline_bytes` under a key."""

    inline_bytes: int = 100
    blobs: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def store(self, key: str, text: str) -> Body:
        """Make `text` ready to be written into a record."""
        if len(text.encode()) <= self.inline_bytes:
            return Body(text=text)
        self.faults.around(lambda: self.blobs.__setitem__(key, text))
        return Body(blob=key)

    def load(self, body: Body) -> str:
        """The text of a stored body."""
        if body.text is not None:
            return body.text
        return self.faults.around(lambda: self.blobs[body.blob or ""])


@dataclass
class ScriptedTarget:
    """A target that answers, or refuses, as it is told, one after the other; the last answer stays."""

    answers: list[Answered | CallRefused] = field(default_factory=lambda: [Answered(status=200, result="{}")])
    calls: list[HttpCall] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    """Happens while a call is under way."""

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """Make the call."""
        self.calls.append(call)
        self.during()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CallRefused):
            raise answer
        return answer


@dataclass
class InMemoryCache:
    """The cache service."""

    entries: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Text, namespace and scope by key."""
    writes: int = 0
    refuses: int = 0
    """So many writes are refused."""
    refusal: CallRefused = field(default_factory=lambda: CallRefused("the cache service answered 503", can_retry=True))
    during: Callable[[], None] = lambda: None
    """Happens while a write is under way."""

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write a JSON text under a key."""
        self.during()
        if self.refuses:
            self.refuses -= 1
            raise self.refusal
        self.writes += 1
        self.entries[key] = (text, namespace, scope)


@dataclass
class ScriptedPolicies:
    """Policies by name, each a function of the input's JSON text."""

    policies: dict[str, Callable[[str], str]] = field(default_factory=dict)

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        """The policy's result."""
        if policy not in self.policies:
            raise CallRefused(f"policy {policy!r} is not known", can_retry=False)
        return self.policies[policy](input_text)


def draws(numbers: Iterable[float]) -> Callable[[], float]:
    """Random numbers that are known beforehand."""
    remaining = iter(numbers)
    return lambda: next(remaining)


def _group(task_list: TaskList, index: int, outstanding: Iterable[int], *, failed_before: bool = False) -> GroupState:
    return GroupState(
        index=index,
        state=State.PENDING,
        outstanding=frozenset(outstanding),
        failed_before=failed_before,
        replay=task_list.replay,
    )


def _is_the_attempt(task: Task, message: Message) -> bool:
    return task.attempt == message.attempt and task.replay == message.replay


def _lease_has_ended(task: Task, now: datetime) -> bool:
    return task.state is State.PENDING and task.lease_until is not None and task.lease_until < now


def _is_wanted(entry: Entry[T], wanted: Filter) -> bool:
    since, until = wanted.since, wanted.until
    return (
        wanted.name in (None, entry.name)
        and wanted.state in (None, entry.state)
        and (since is None or entry.created_at >= since)
        and (until is None or entry.created_at < until)
    )


def _matches(known: StoredTemplate | None, if_match: str | None) -> bool:
    if if_match is None:
        return True
    return known is not None and if_match in ("*", known.etag)
