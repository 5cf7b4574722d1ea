"""In-memory fakes of every port, for tests of the use cases.

The contract tests run on these and on the adapters alike, so what a use case meets here it meets on AWS.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from task_service.domain.errors import Unavailable
from task_service.domain.idempotency import KeyUse
from task_service.domain.retry import Answered
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
            due = task.state is State.CREATED and task.attempt == message.attempt
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

    def abandon(self, message: Message, *, error: str, now: datetime, birth: Task | None = None) -> Claim:
        """Fail a task that nobody works on and whose current attempt is the message's."""

        def change() -> Claim:
            task = self.records.get(message.task_id, birth)
            if task is birth and birth is not None and message.attempt != birth.attempt:
                return Claim(won=False, task=None)
            free = task is not None and (task.state is State.CREATED or _lease_has_ended(task, now))
            if task is None or not free or task.attempt != message.attempt:
                return Claim(won=False, task=task)
            failed = replace(
                task,
                state=State.FAILED,
                error=error,
                finished_at=now,
                lease_until=None,
                not_before=None,
                holder=None,
            )
            return Claim(won=True, task=self._put(failed))

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
            known = self.groups.get((task_list.id, index))
            if known is not None:
                return known
            parts = range(parallel)
            if parallel > CHUNK:
                parts = range(-(-parallel // CHUNK))
                for chunk in parts:
                    positions = range(chunk * CHUNK, min((chunk + 1) * CHUNK, parallel))
                    whole = GroupState(index=chunk, state=State.PENDING, outstanding=frozenset(positions))
                    self._put(self.chunks, (task_list.id, index, chunk), whole)
            group = GroupState(
                index=index, state=State.PENDING, outstanding=frozenset(parts), failed_before=failed_before
            )
            return self._put(self.groups, (task_list.id, index), group)

        return self.faults.around(start)

    def end_task(self, list_id: str, index: int, position: int, *, well: bool, parallel: int) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are."""

        def end() -> GroupState | None:
            number, ended_well = position, well
            if parallel > CHUNK:
                number = position // CHUNK
                chunk = self._take_off(self.chunks, (list_id, index, number), position, well=well)
                if chunk.outstanding:
                    return None
                ended_well = not chunk.failed
            return self._take_off(self.groups, (list_id, index), number, well=ended_well)

        return self.faults.around(end)

    def close_group(
        self,
        list_id: str,
        index: int,
        *,
        well: bool,
        stopped_at: int | None = None,
        result: Body | None = None,
        error: str | None = None,
    ) -> GroupState:
        """Write how a group ends, unless that is written; returns what is written then."""

        def close() -> GroupState:
            group = self.groups[list_id, index]
            if group.state.is_final:
                return group
            state = State.DONE if well else State.FAILED
            closed = replace(group, state=state, stopped_at=stopped_at, result=result, error=error)
            return self._put(self.groups, (list_id, index), closed)

        return self.faults.around(close)

    def end(self, list_id: str, *, well: bool, now: datetime) -> bool:
        """Write how a list ends, unless that is written; returns whether it was not."""

        def end() -> bool:
            task_list = self.lists[list_id]
            if task_list.state.is_final:
                return task_list.finished_at == now
            state = State.DONE if well else State.FAILED
            self._put(self.lists, list_id, replace(task_list, state=state, finished_at=now))
            return True

        return self.faults.around(end)

    def records(self, list_id: str) -> ListRecords | None:
        """What a list's status is made of."""
        return self.faults.around(lambda: self._records(list_id))

    def results(self, list_id: str, index: int) -> list[Body]:
        """The results of a group's tasks that are done, in order."""
        tasks = [(place, task) for place, task in self._tasks(list_id) if place.group == index]
        ordered = sorted(tasks, key=lambda item: item[0].position)
        return self.faults.around(lambda: [task.result for _, task in ordered if task.result is not None])

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
                (place.group, place.position): task.shown_state
                for place, task in self._tasks(list_id)
                if place.group in groups and not groups[place.group].state.is_final
            },
            failed={index: group.failed for index, group in groups.items()} | failed,
        )

    def _tasks(self, list_id: str) -> list[tuple[Place, Task]]:
        places = ((place_of(task_id), task) for task_id, task in self.tasks.records.items())
        return [(place, task) for place, task in places if place is not None and place.list_id == list_id]

    def _take_off(self, records: dict[K, GroupState], key: K, number: int, *, well: bool) -> GroupState:
        state = records[key]
        failed = state.failed if well else state.failed | {number}
        return self._put(records, key, replace(state, outstanding=state.outstanding - {number}, failed=failed))

    def _put(self, records: dict[K, T], key: K, record: T) -> T:
        self.writes += 1
        records[key] = record
        return record


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

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        """Write a JSON text under a key."""
        if self.refuses:
            self.refuses -= 1
            raise CallRefused("the cache service answered 503", can_retry=True)
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


def _lease_has_ended(task: Task, now: datetime) -> bool:
    return task.state is State.PENDING and task.lease_until is not None and task.lease_until < now


def _matches(known: StoredTemplate | None, if_match: str | None) -> bool:
    if if_match is None:
        return True
    return known is not None and if_match in ("*", known.etag)
