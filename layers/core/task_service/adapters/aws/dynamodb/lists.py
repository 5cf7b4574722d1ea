"""Task lists in the DynamoDB table.

The records that show how a list stands are in one partition, so the status of a list of any length is one small query.
While a group runs, a second query finds which of its tasks have started:

    LIST#id   GROUP#0001        a group that has started: its state, its outstanding tasks, those that failed
    LIST#id   CHUNK#0001#0002   of a large group: the outstanding tasks of one chunk, those of them that failed
    LIST#id   LIST              plan, request, state
    TASKS#id  TASK#0001#0007    a task that has been claimed (`tasks`)

              start_group        end_task, once for each task       close_group
    ──┬────────────┬───────────────────────────────────┬──────────────┬──►  time
      │ no record  │ pending, outstanding = {0, 1, 2}  │ outstanding  │ done | failed
      │            │                                   │ is empty     │

DynamoDB charges an update by the size of the whole item. So a large group keeps its outstanding tasks in chunks, whose
numbers of up to 4 bytes each fit one write unit of 1 KB, and the group's record keeps the outstanding chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from task_service.adapters.aws.dynamodb.list_items import (
    LIST_SORT_KEY,
    chunk_sort_key,
    group_sort_key,
    list_item,
    list_key,
    outstanding_attributes,
    read_group,
    read_list,
)
from task_service.adapters.aws.dynamodb.list_reads import read_records, read_results
from task_service.adapters.aws.dynamodb.table import Table, is_possible, present
from task_service.adapters.aws.dynamodb.updates import (
    HAS_NO_RECORD,
    IS_BEFORE_REPLAY,
    Changes,
    Update,
    any_of,
    is_in_replay,
)
from task_service.adapters.aws.dynamodb.values import (
    Item,
    body_value,
    expiry_value,
    number_value,
    numbers_value,
    read_number,
    read_numbers,
    shard_value,
    text_value,
    time_value,
)
from task_service.adapters.aws.wire import ConditionFailed
from task_service.domain.task import Body, State
from task_service.domain.task_list import CHUNK, GroupState, ListRecords, TaskList, chunks_of


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbTaskLists:
    """The task lists of one table."""

    table: Table

    def add(self, task_list: TaskList) -> TaskList | None:
        """Write a new list; None: it is durable. Returns the list that already has the id, if there is one."""
        item = self.table.put_new(list_item(task_list))
        return read_list(item) if item else None

    def remove(self, list_id: str) -> None:
        """Delete a list that no client has been told about."""
        self.table.delete(list_key(list_id))

    def get(self, list_id: str) -> TaskList | None:
        """Read a list, consistently."""
        item = self.table.read(list_key(list_id))
        return read_list(item) if item else None

    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        """Write a group's record, with `parallel` outstanding tasks, unless it has one; returns the record."""
        chunks = chunks_of(parallel)
        for chunk, positions in enumerate(chunks):
            self._start_part(task_list, chunk_sort_key(index, chunk), outstanding_attributes(positions), {})
        before: Item = {"failedBefore": {"BOOL": failed_before}}
        outstanding = outstanding_attributes(range(len(chunks) or parallel))
        attributes = {"index": number_value(index), "state": {"S": State.PENDING}, **before, **outstanding}
        return read_group(self._start_part(task_list, group_sort_key(index), attributes, before))

    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while its chunk has others."""
        if parallel > CHUNK:
            chunk = position // CHUNK
            item = self._take_off(task_list, chunk_sort_key(index, chunk), position, well=well)
            if read_numbers(item, "outstanding"):
                return None
            position, well = chunk, not read_numbers(item, "failed")
        return read_group(self._take_off(task_list, group_sort_key(index), position, well=well))

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
        """Write how a group ends, unless it has ended; returns the record."""
        # The group has neither ended nor been cancelled.
        is_open = "#state = :pending"
        # An executor with a message of an earlier replay does not close a group that runs again.
        is_current = is_in_replay(task_list.replay)
        change = Update(
            condition=f"{is_open} AND {is_current}",
            values={":replay": number_value(task_list.replay)},
            changes={
                "state": {"S": State.DONE if well else State.FAILED},
                "stoppedAt": number_value(stopped_at) if stopped_at is not None else None,
                "groupResult": body_value(result) if result is not None else None,
                "error": text_value(error),
            },
        )
        return read_group(self._update(task_list.id, group_sort_key(index), change))

    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        """Write how a list ends, unless it has ended."""
        ended = _ended(task_list, State.DONE if well else State.FAILED, now)
        self._update(task_list.id, LIST_SORT_KEY, _update_open(task_list, ended))

    def cancel(self, task_list: TaskList, *, now: datetime, by: str | None = None) -> TaskList | None:
        """Write that a list is cancelled, unless it has ended; returns the record."""
        changes = {**_ended(task_list, State.CANCELLED, now), "cancelledBy": text_value(by)}
        return self._change(task_list.id, _update_open(task_list, changes))

    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        """Close a group as cancelled, started or not, unless it has ended; returns the record."""
        # The group has not started, and shall not start after this.
        has_not_started = HAS_NO_RECORD
        is_open = "#state = :pending"
        # A write that arrives late, when a later replay has opened the group again, does not stop that replay.
        is_of_no_later_replay = "(attribute_not_exists(replay) OR replay <= :replay)"
        # A group that failed before this replay will run again, so it has not ended either.
        waits_for_replay = f"#state = :failed AND {IS_BEFORE_REPLAY}" if task_list.replay else None
        change = Update(
            condition=any_of(has_not_started, f"{is_open} AND {is_of_no_later_replay}", waits_for_replay),
            values={":replay": number_value(task_list.replay)},
            changes={
                **_replay_attribute(task_list),
                "state": {"S": State.CANCELLED},
                "index": number_value(index),
                "expiresAt": expiry_value(task_list.expires_at),
            },
            first={"failedBefore": {"BOOL": False}},
        )
        return read_group(self._update(task_list.id, group_sort_key(index), change))

    def replay(self, list_id: str, *, number: int, by: str | None = None) -> TaskList | None:
        """Open a failed list for a replay, once for each replay; returns the record."""
        # Only a failed list is replayed.
        has_failed = "#state = :failed"
        # A request that arrives twice does not open a list that has failed again in this replay.
        is_new_replay = IS_BEFORE_REPLAY
        return self._change(
            list_id,
            Update(
                condition=f"{has_failed} AND {is_new_replay}",
                values={":replay": number_value(number)},
                changes={
                    "state": {"S": State.CREATED},
                    "replay": number_value(number),
                    "finishedAt": None,
                    "failedShard": None,
                    "replayedBy": text_value(by),
                },
            ),
        )

    def records(self, list_id: str) -> ListRecords | None:
        """Read the records that a list's status shows, consistently."""
        return read_records(self.table, list_id) if is_possible(list_key(list_id)) else None

    def results(self, list_id: str, index: int) -> Iterator[Body]:
        """Read the results of the tasks of a group that are done, in order, page by page."""
        return read_results(self.table, list_id, index)

    def _start_part(self, task_list: TaskList, sort_key: str, attributes: Item, before: Item) -> Item:
        """Write a group's or a chunk's record; one of an earlier replay is taken into this one, with `before`."""
        replay = _replay_attribute(task_list)
        item = {**attributes, **replay, "expiresAt": expiry_value(task_list.expires_at)}
        there = self.table.put_new({**list_key(task_list.id, sort_key), **item})
        if there is None:
            return item
        if read_number(there, "replay") >= task_list.replay:
            return there
        return self._update(task_list.id, sort_key, _reopening(there, {**replay, **before}))

    def _take_off(self, task_list: TaskList, sort_key: str, number: int, *, well: bool) -> Item:
        """Take a number off the outstanding ones. Doing it twice changes nothing more."""
        # A task that ends after its list's retention does not write half a record.
        has_record = "attribute_exists(pk)"
        # A task that ended in an earlier replay is outstanding again.
        is_current = is_in_replay(task_list.replay)
        numbers = numbers_value([number])
        change = Update(
            condition=f"{has_record} AND {is_current}",
            values={":replay": number_value(task_list.replay)},
            deletes={"outstanding": numbers},
            adds={} if well else {"failed": numbers},
        )
        return self._update(task_list.id, sort_key, change)

    def _change(self, list_id: str, change: Update) -> TaskList | None:
        """Change a list's own record if the condition holds; returns the record, None if there is none."""
        try:
            return read_list(self._update(list_id, LIST_SORT_KEY, change))
        except ConditionFailed:
            return None

    def _update(self, list_id: str, sort_key: str, change: Update) -> Item:
        """Change a record if the condition holds; returns the record, changed or not."""
        try:
            return self.table.update(list_key(list_id, sort_key), change)
        except ConditionFailed as refusal:
            return present(refusal)


def _update_open(task_list: TaskList, changes: Changes) -> Update:
    # The list has neither ended nor been cancelled.
    is_open = "#state = :created"
    # An executor with a message of an earlier replay does not end a list that runs again.
    is_current = is_in_replay(task_list.replay)
    values = {":replay": number_value(task_list.replay)}
    return Update(condition=f"{is_open} AND {is_current}", values=values, changes=changes)


def _ended(task_list: TaskList, state: State, now: datetime) -> Changes:
    """The end of a list; one that failed or was cancelled is in the index of those."""
    shard = {"failedShard": shard_value(f"LIST#{state}", task_list.id)} if state is not State.DONE else {}
    return {"state": {"S": state}, "finishedAt": time_value(now), **shard}


def _replay_attribute(task_list: TaskList) -> Item:
    return {"replay": number_value(task_list.replay)} if task_list.replay else {}


def _reopening(there: Item, attributes: Item) -> Update:
    """The update that takes the record of a group or a chunk into a replay, and starts again what failed in it."""
    changes: Changes = {**attributes}
    if there.get("state", {}).get("S") == State.FAILED:
        changes |= {"state": {"S": State.PENDING}, "groupResult": None, "error": None}
    # The tasks that failed are outstanding again; a sequential group starts where it stopped.
    moves = {"outstanding": "failed", "startsAt": "stoppedAt"}
    return Update(
        # Another executor with the same message may have done this in the meantime.
        condition=IS_BEFORE_REPLAY,
        values={":replay": attributes["replay"]},
        changes=changes,
        moves={name: source for name, source in moves.items() if source in there},
    )
