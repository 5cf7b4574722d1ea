"""Searching tasks and task lists in the DynamoDB table, through two indexes.

    index     key                                  in the order of   with   holds
    recent    recent        TASK#0, LIST#11        listed            name   tasks that are in no list, and lists
    failed    failedShard   TASK#failed#0          listed            name   those that failed or were cancelled

A key ends with one of twelve shards, always the same one for an id; `listed` is the place in the order of creation
(`domain.listed`). Creating writes one entry into `recent`, which no later change touches; failing writes one into
`failed`.

Twelve keys carry 10,000 creations a second, at 1,000 writes a second for a key, with some to spare. There is no day in
the key: all that is written now would have the same day, so that it spreads no writes, and a page would cost twelve
queries for every day that it looks at, where it costs twelve whatever the time.

The indexes follow the table a moment later, so what they find is read from the table before it is shown.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from task_service.adapters.aws.dynamodb.batches import read_many
from task_service.adapters.aws.dynamodb.lists import group_key, list_key
from task_service.adapters.aws.dynamodb.shard_merge import Merge, Shard
from task_service.adapters.aws.dynamodb.tasks import from_item, key
from task_service.adapters.aws.dynamodb.values import SHARDS, Item, read_expiry, read_time
from task_service.adapters.aws.wire import Client
from task_service.domain.listed import record_id, start_of
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task
from task_service.ports import Pause

T = TypeVar("T", Task, ListSummary)

MAX_ROUNDS: Final = 10
"""So often the shards are read on for one page. It ends there, however little was found."""

_MOST_ENTRIES: Final = 1_000
"""So many entries are read at once in a shard, where the index tells which are looked for."""

_MOST_RECORDS: Final = 25
"""The same where it does not: then the record of each has to be read."""

_OLDEST, _NEWEST = "0", ":"
"""Texts before and after every place."""

_IN_FAILED: Final = (State.FAILED, State.CANCELLED)

_OF_LIST: Final = ("id", "name", "state", "createdAt", "expiresAt", "finishedAt")
_OF_TASK: Final = (*_OF_LIST, "attempt", "startedAt", "notBefore", "responseCode", "error")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What is asked of every shard, and of the records that they name."""

    kind: str
    wanted: Filter
    oldest: str
    newest: str

    @property
    def index_tells(self) -> bool:
        """Whether the index tells all that is looked for."""
        return self.wanted.state is None or self.wanted.state in _IN_FAILED

    def keys(self) -> list[str]:
        """The keys of its shards."""
        prefix = f"{self.kind}#{self.wanted.state}" if self.wanted.state in _IN_FAILED else self.kind
        return [f"{prefix}#{number}" for number in range(SHARDS)]

    def parameters(self, shard: Shard) -> Item:
        """The parameters of a shard's query."""
        index, attribute = ("failed", "failedShard") if self.wanted.state in _IN_FAILED else ("recent", "recent")
        condition, values = f"{attribute} = :shard", {":shard": {"S": shard.key}}
        if (self.oldest, self.newest) != (_OLDEST, _NEWEST):
            condition += " AND listed BETWEEN :oldest AND :newest"
            values |= {":oldest": {"S": self.oldest}, ":newest": {"S": self.newest}}
        parameters: Item = {
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ProjectionExpression": "listed",
            "ScanIndexForward": False,
        }
        if self.wanted.name is not None:
            values[":name"] = {"S": self.wanted.name}
            parameters |= {"FilterExpression": "#name = :name", "ExpressionAttributeNames": {"#name": "name"}}
        if shard.resume is not None:
            parameters["ExclusiveStartKey"] = shard.resume
        return parameters

    def is_answered_by(self, record: Task | ListSummary) -> bool:
        """Whether the record is still what is looked for; a name never changes."""
        state = record.shown_state if isinstance(record, Task) else record.state
        return self.wanted.state in (None, state)


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbSearch:
    """Finds the tasks and the task lists of one table."""

    client: Client
    table: str
    pause: Pause = time.sleep
    max_rounds: int = MAX_ROUNDS
    _threads: Executor = field(default_factory=partial(ThreadPoolExecutor, SHARDS), init=False)

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Up to `limit` tasks that are in no list, from the place `before` on."""
        return self._find("TASK", wanted, limit, before, lambda ids: self._tasks(ids, now))

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Up to `limit` task lists, from the place `before` on."""
        return self._find("LIST", wanted, limit, before, lambda ids: self._lists(ids, now))

    def _find(
        self, kind: str, wanted: Filter, limit: int, before: str | None, read: Callable[[Sequence[str]], list[T]]
    ) -> Found[T]:
        oldest = start_of(wanted.since) if wanted.since else _OLDEST
        newest = min(before or _NEWEST, start_of(wanted.until) if wanted.until else _NEWEST)
        if newest <= oldest:
            return Found(items=[], next=None)
        question = _Question(kind=kind, wanted=wanted, oldest=oldest, newest=newest)
        merge = Merge(question.keys(), before=newest)
        found: list[tuple[str, T]] = []
        for size in _sizes(limit, question, self.max_rounds):
            self._read_on(merge, question, size, missing=limit - len(found))
            found += _take(merge, question, read, missing=limit - len(found))
            if len(found) >= limit or merge.has_ended:
                break
        return _page(found, limit, merge)

    def _read_on(self, merge: Merge, question: _Question, size: int, *, missing: int) -> None:
        """Read entries of the shards that have to be read on, side by side."""
        shards = merge.hungry(missing if question.index_tells else None)
        answers = self._threads.map(partial(self._query, question, size), shards)
        for shard, answer in zip(shards, answers, strict=True):
            last = answer.get("LastEvaluatedKey")
            merge.add(
                shard,
                [item["listed"]["S"] for item in answer["Items"]],
                reached=last["listed"]["S"] if last else None,
                resume=last,
            )

    def _query(self, question: _Question, size: int, shard: Shard) -> Item:
        parameters = question.parameters(shard)
        answer: Item = self.client.call("Query", TableName=self.table, Limit=size, **parameters)
        return answer

    def _tasks(self, ids: Sequence[str], now: datetime) -> list[Task]:
        items = self._read([key(task_id) for task_id in ids], _OF_TASK)
        return [from_item(item) for item in items if read_expiry(item["expiresAt"]) > now]

    def _lists(self, ids: Sequence[str], now: datetime) -> list[ListSummary]:
        items = self._read([list_key(list_id) for list_id in ids], _OF_LIST)
        kept = [item for item in items if read_expiry(item["expiresAt"]) > now]
        started = self._started([item["id"]["S"] for item in kept if item["state"]["S"] == State.CREATED])
        return [_summary(item, has_started=item["id"]["S"] in started) for item in kept]

    def _started(self, ids: Sequence[str]) -> set[str]:
        """Those of these lists whose first group has a record."""
        items = self._read([group_key(list_id, 0) for list_id in ids], ("pk",))
        return {item["pk"]["S"].removeprefix("LIST#") for item in items}

    def _read(self, keys: Sequence[Item], attributes: Sequence[str]) -> list[Item]:
        return read_many(self.client, self.table, keys, attributes, threads=self._threads, pause=self.pause)


def _take(
    merge: Merge, question: _Question, read: Callable[[Sequence[str]], list[T]], *, missing: int
) -> list[tuple[str, T]]:
    """What is in order and is answered by its record, with its place; at least as many as are missing, if there are."""
    found: list[tuple[str, T]] = []
    while len(found) < missing:
        places = merge.take(missing - len(found) if question.index_tells else None)
        if not places:
            break
        records = {record.id: record for record in read([record_id(place) for place in places])}
        answers = ((place, records.get(record_id(place))) for place in places)
        found += [
            (place, record) for place, record in answers if record is not None and question.is_answered_by(record)
        ]
    return found


def _page(found: list[tuple[str, T]], limit: int, merge: Merge) -> Found[T]:
    page = found[:limit]
    place: str | None = merge.frontier
    if merge.has_ended and len(found) <= limit:
        place = None
    elif len(page) == limit:
        place = page[-1][0]
    return Found(items=[record for _, record in page], next=place)


def _sizes(limit: int, question: _Question, rounds: int) -> Iterator[int]:
    """How many entries of a shard are read in each round: at first about what is needed, then ever more."""
    most = _MOST_ENTRIES if question.index_tells else _MOST_RECORDS
    # Not every entry is of the name; those that are not cost next to nothing.
    size = (limit * 2 // SHARDS + 4) * (4 if question.wanted.name is not None else 1)
    for _ in range(rounds):
        yield min(size, most)
        size *= 4


def _summary(item: Item, *, has_started: bool) -> ListSummary:
    state = State(item["state"]["S"])
    return ListSummary(
        id=item["id"]["S"],
        name=item["name"]["S"],
        state=State.PENDING if state is State.CREATED and has_started else state,
        created_at=read_time(item["createdAt"]),
        finished_at=read_time(item["finishedAt"]) if "finishedAt" in item else None,
    )
