"""The search for tasks and task lists in the DynamoDB table, through two indexes.

    index     key                                  ordered by        with   holds
    recent    recent        TASK#0, LIST#11        listed            name   tasks that are in no list, and lists
    failed    failedShard   TASK#failed#0          listed            name   those that failed or were cancelled

A key ends with the number of one of twelve shards, always the same one for an id. `listed` is the place in the order
of creation (`domain.paging`). Creating a task or a list writes one entry into `recent`, which later changes leave
alone; its failure writes one into `failed`.

DynamoDB takes 1,000 writes a second for one key, so twelve keys take 10,000 creations a second, with some to spare.
The key has no day in it. All creations of a moment have the same day, so it would not spread the writes; and a page
would cost twelve queries for each day that it covers, instead of twelve.

DynamoDB updates the indexes a moment after the table, so the search reads the records that it finds from the table.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from task_service.adapters.aws.dynamodb.batches import read_many
from task_service.adapters.aws.dynamodb.list_items import group_key, list_key
from task_service.adapters.aws.dynamodb.shard_merge import Merge, Shard
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.task_items import read_task, task_key
from task_service.adapters.aws.dynamodb.values import SHARDS, Item, read_context, read_expiry, read_text, read_time
from task_service.domain.paging import id_of, sort_key_at
from task_service.domain.search import Filter, Found, ListSummary
from task_service.domain.task import State, Task
from task_service.ports import Pause

T = TypeVar("T", Task, ListSummary)

MAX_ROUNDS: Final = 10
"""The most rounds of reading for one page. The page ends there, however little the search has found."""

_MOST_ENTRIES: Final = 1_000
"""The most entries of one read in a shard, if the index alone tells which match."""

_MOST_RECORDS: Final = 25
"""The same, if the search has to read the record of each entry to tell."""

_OLDEST, _NEWEST = "0", ":"
"""Texts before and after every place."""

_IN_FAILED: Final = (State.FAILED, State.CANCELLED)

_OF_LIST: Final = (
    *("id", "name", "state", "createdAt", "expiresAt", "finishedAt"),
    *("context", "cancelledBy", "replayedBy"),
)
_OF_TASK: Final = (
    *_OF_LIST,
    "attempt",
    "startedAt",
    "notBefore",
    "responseCode",
    "redirects",
    "finalOrigin",
    "error",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """The question to every shard, and to the records that the shards name."""

    kind: str
    wanted: Filter
    oldest: str
    newest: str

    @property
    def index_tells(self) -> bool:
        """True if the entries of the index tell which records match."""
        return self.wanted.state is None or self.wanted.state in _IN_FAILED

    def keys(self) -> list[str]:
        """The keys of the shards to read."""
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
        """True if the record still matches. Its name cannot have changed, its state can."""
        state = record.shown_state if isinstance(record, Task) else record.state
        return self.wanted.state in (None, state)


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbSearch:
    """The search in one table."""

    table: Table
    pause: Pause = time.sleep
    max_rounds: int = MAX_ROUNDS
    _threads: Executor = field(default_factory=partial(ThreadPoolExecutor, SHARDS), init=False)

    def tasks(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[Task]:
        """Find up to `limit` tasks that are in no list, from the place `before` on."""
        return self._find("TASK", wanted, limit, before, lambda ids: self._tasks(ids, now))

    def lists(self, wanted: Filter, *, limit: int, before: str | None, now: datetime) -> Found[ListSummary]:
        """Find up to `limit` task lists, from the place `before` on."""
        return self._find("LIST", wanted, limit, before, lambda ids: self._lists(ids, now))

    def _find(
        self, kind: str, wanted: Filter, limit: int, before: str | None, read: Callable[[Sequence[str]], list[T]]
    ) -> Found[T]:
        oldest = sort_key_at(wanted.since) if wanted.since else _OLDEST
        newest = min(before or _NEWEST, sort_key_at(wanted.until) if wanted.until else _NEWEST)
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
        """Read on in the shards that can hold the next places, in parallel."""
        shards = merge.shards_to_read(missing if question.index_tells else None)
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
        return self.table.call("Query", Limit=size, **parameters)

    def _tasks(self, ids: Sequence[str], now: datetime) -> list[Task]:
        items = self._read([task_key(task_id) for task_id in ids], _OF_TASK)
        return [read_task(item) for item in items if read_expiry(item["expiresAt"]) > now]

    def _lists(self, ids: Sequence[str], now: datetime) -> list[ListSummary]:
        items = self._read([list_key(list_id) for list_id in ids], _OF_LIST)
        kept = [item for item in items if read_expiry(item["expiresAt"]) > now]
        started = self._started([item["id"]["S"] for item in kept if item["state"]["S"] == State.CREATED])
        return [_summary(item, has_started=item["id"]["S"] in started) for item in kept]

    def _started(self, ids: Sequence[str]) -> set[str]:
        """The ids of the lists whose first group has a record."""
        items = self._read([group_key(list_id, 0) for list_id in ids], ("pk",))
        return {item["pk"]["S"].removeprefix("LIST#") for item in items}

    def _read(self, keys: Sequence[Item], attributes: Sequence[str]) -> list[Item]:
        return read_many(self.table, keys, attributes, threads=self._threads, pause=self.pause)


def _take(
    merge: Merge, question: _Question, read: Callable[[Sequence[str]], list[T]], *, missing: int
) -> list[tuple[str, T]]:
    """Take the matching records that are in order, with their places; at least `missing`, if there are that many."""
    found: list[tuple[str, T]] = []
    while len(found) < missing:
        places = merge.take(missing - len(found) if question.index_tells else None)
        if not places:
            break
        records = {record.id: record for record in read([id_of(place) for place in places])}
        answers = ((place, records.get(id_of(place))) for place in places)
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
    """The number of entries to read per shard: about what a page needs at first, four times as many each round."""
    most = _MOST_ENTRIES if question.index_tells else _MOST_RECORDS
    # The filter drops entries of other names, which cost next to nothing.
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
        context=read_context(item),
        cancelled_by=read_text(item, "cancelledBy"),
        replayed_by=read_text(item, "replayedBy"),
    )
