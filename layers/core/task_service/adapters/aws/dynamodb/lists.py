"""Task lists in the DynamoDB table.

What says how a list stands is under one partition key, so that the status of a list of any length is one small query;
while a group is under way, a second one tells which of its tasks have been started:

    LIST#id   GROUP#0001        a group that has been started: its state, which tasks are outstanding, which failed
    LIST#id   CHUNK#0001#0002   of a large group: the tasks of one chunk that are outstanding, which of them failed
    LIST#id   LIST              plan, request, state
    TASKS#id  TASK#0001#0007    a task that has been claimed (`dynamodb_tasks`)

An update is paid by the size of the whole item: the outstanding tasks of a large group are kept in chunks, whose
numbers, up to 4 bytes each, fit one write unit of 1 KB, and the group keeps the outstanding chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from task_service.adapters.aws.dynamodb.records import is_possible, present, put_new, read
from task_service.adapters.aws.dynamodb.values import (
    IS_EARLIER,
    Item,
    body_value,
    expiry_value,
    is_of_replay,
    listed_values,
    numbers_value,
    read_body,
    read_expiry,
    read_number,
    read_numbers,
    read_time,
    replay_values,
    shard_value,
    time_value,
)
from task_service.adapters.aws.wire import Client, ConditionFailed
from task_service.domain.task import Body, State
from task_service.domain.task_list import CHUNK, GroupState, TaskList
from task_service.ports import ListRecords


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbTaskLists:
    """The task lists of one table."""

    client: Client
    table: str

    def add(self, task_list: TaskList) -> TaskList | None:
        """Write a list unless there is one of its id, which is returned; None: it is new, and durable."""
        item = put_new(self.client, self.table, _to_item(task_list))
        return _from_item(item) if item else None

    def remove(self, list_id: str) -> None:
        """Take a list back that was promised to nobody."""
        self.client.call("DeleteItem", TableName=self.table, Key=_key(list_id, "LIST"))

    def get(self, list_id: str) -> TaskList | None:
        """The list; read consistently."""
        item = read(self.client, self.table, _key(list_id, "LIST"))
        return _from_item(item) if item else None

    def start_group(self, task_list: TaskList, index: int, *, parallel: int, failed_before: bool) -> GroupState:
        """Write a group's record, with `parallel` outstanding tasks; the one that is there, where there is one."""
        parts = parallel
        if parallel > CHUNK:
            parts = -(-parallel // CHUNK)
            for chunk in range(parts):
                positions = range(chunk * CHUNK, min((chunk + 1) * CHUNK, parallel))
                self._start_part(task_list, _chunk_key(index, chunk), _outstanding(positions), {})
        before: Item = {"failedBefore": {"BOOL": failed_before}}
        attributes = {"index": {"N": str(index)}, "state": {"S": State.PENDING}, **before, **_outstanding(range(parts))}
        return _group_from_item(self._start_part(task_list, _group_key(index), attributes, before))

    def end_task(
        self, task_list: TaskList, index: int, position: int, *, well: bool, parallel: int
    ) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are."""
        if parallel > CHUNK:
            chunk = position // CHUNK
            item = self._take_off(task_list, _chunk_key(index, chunk), position, well=well)
            if read_numbers(item, "outstanding"):
                return None
            position, well = chunk, not read_numbers(item, "failed")
        return _group_from_item(self._take_off(task_list, _group_key(index), position, well=well))

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
        values: Item = {":state": {"S": State.DONE if well else State.FAILED}, ":pending": {"S": State.PENDING}}
        sets = ["#state = :state"]
        if stopped_at is not None:
            sets.append("stoppedAt = :stopped_at")
            values[":stopped_at"] = {"N": str(stopped_at)}
        if result is not None:
            sets.append("groupResult = :result")
            values[":result"] = body_value(result)
        if error is not None:
            sets.append("#error = :error")
            values[":error"] = {"S": error}
        is_open = f"#state = :pending AND {is_of_replay(task_list.replay)}"
        values |= replay_values(task_list.replay)
        item = self._update(task_list.id, _group_key(index), f"SET {', '.join(sets)}", is_open, values)
        return _group_from_item(item)

    def end(self, task_list: TaskList, *, well: bool, now: datetime) -> None:
        """Write how a list ends, unless that is written."""
        values: Item = {
            ":state": {"S": State.DONE if well else State.FAILED},
            ":created": {"S": State.CREATED},
            ":now": time_value(now),
            **replay_values(task_list.replay),
        }
        update = "SET #state = :state, finishedAt = :now"
        if not well:
            update += ", failedShard = :shard"
            values[":shard"] = shard_value(f"LIST#{State.FAILED}", task_list.id)
        is_open = f"#state = :created AND {is_of_replay(task_list.replay)}"
        self._update(task_list.id, "LIST", update, is_open, values)

    def cancel(self, task_list: TaskList, *, now: datetime) -> TaskList | None:
        """Write that a list is cancelled, unless it has ended; returns what is written then."""
        values: Item = {
            ":cancelled": {"S": State.CANCELLED},
            ":created": {"S": State.CREATED},
            ":now": time_value(now),
            ":shard": shard_value(f"LIST#{State.CANCELLED}", task_list.id),
            **replay_values(task_list.replay),
        }
        update = "SET #state = :cancelled, finishedAt = :now, failedShard = :shard"
        is_open = f"#state = :created AND {is_of_replay(task_list.replay)}"
        return self._change(task_list.id, update, is_open, values)

    def cancel_group(self, task_list: TaskList, index: int) -> GroupState:
        """Close a group as cancelled, started or not, unless it has ended; returns what is written then."""
        has_not_ended = "attribute_not_exists(pk) OR #state = :pending"
        update = (
            "SET #state = :cancelled, #index = :index, failedBefore = if_not_exists(failedBefore, :no), "
            "expiresAt = :expires"
        )
        values: Item = {
            ":cancelled": {"S": State.CANCELLED},
            ":pending": {"S": State.PENDING},
            ":index": {"N": str(index)},
            ":no": {"BOOL": False},
            ":expires": expiry_value(task_list.expires_at),
            **replay_values(task_list.replay),
        }
        if task_list.replay:
            # One that failed before this replay has not ended in it.
            has_not_ended += f" OR (#state = :failed AND {IS_EARLIER})"
            update += ", replay = :replay"
            values[":failed"] = {"S": State.FAILED}
        return _group_from_item(self._update(task_list.id, _group_key(index), update, has_not_ended, values))

    def replay(self, list_id: str, *, number: int) -> TaskList | None:
        """Open a failed list for that replay, unless that was done before; returns what is written then."""
        values: Item = {
            ":created": {"S": State.CREATED},
            ":failed": {"S": State.FAILED},
            **replay_values(number),
        }
        update = "SET #state = :created, replay = :replay REMOVE finishedAt, failedShard"
        return self._change(list_id, update, f"#state = :failed AND {IS_EARLIER}", values)

    def records(self, list_id: str) -> ListRecords | None:
        """What a list's status is made of; read consistently."""
        if not is_possible(_key(list_id, "LIST")):
            return None
        task_list: TaskList | None = None
        groups: dict[int, GroupState] = {}
        failed: dict[int, frozenset[int]] = {}
        for item in self._query(f"LIST#{list_id}"):
            kind, *numbers = item["sk"]["S"].split("#")
            if kind == "LIST":
                task_list = _from_item(item)
                continue
            index = int(numbers[0])
            if kind == "CHUNK":
                failed[index] = failed.get(index, frozenset()) | read_numbers(item, "failed")
            else:
                groups[index] = _group_from_item(item)
                failed.setdefault(index, groups[index].failed)
        if task_list is None:
            return None
        tasks = {
            place: state
            for group in groups.values()
            if group.state not in (State.DONE, State.FAILED)
            for place, state in self._tasks_under_way(task_list, group.index)
        }
        return ListRecords(task_list=task_list, groups=groups, tasks=tasks, failed=failed)

    def results(self, list_id: str, index: int) -> Iterator[Body]:
        """The results of a group's tasks that are done, in order, read as they are asked for."""
        items = self._query(f"TASKS#{list_id}", f"TASK#{index:04}#", ("result",))
        return (read_body(item["result"]) for item in items if "result" in item)

    def _tasks_under_way(self, task_list: TaskList, index: int) -> Iterator[tuple[tuple[int, int], State]]:
        attributes = ("sk", "state", "startedAt", "replay")
        for item in self._query(f"TASKS#{task_list.id}", f"TASK#{index:04}#", attributes):
            state = State(item["state"]["S"])
            if task_list.will_replay(state, read_number(item, "replay")):
                state = State.CREATED
            elif state is State.CREATED and "startedAt" in item:
                # It waits for a retry.
                state = State.PENDING
            yield (index, int(item["sk"]["S"].rpartition("#")[2])), state

    def _start_part(self, task_list: TaskList, sort_key: str, attributes: Item, before: Item) -> Item:
        """Write a group's or a chunk's record, or take the one that is there into this replay, with `before`."""
        replay: Item = {"replay": {"N": str(task_list.replay)}} if task_list.replay else {}
        item = {**attributes, **replay, "expiresAt": expiry_value(task_list.expires_at)}
        there = put_new(self.client, self.table, {**_key(task_list.id, sort_key), **item})
        if there is None:
            return item
        if read_number(there, "replay") >= task_list.replay:
            return there
        update, values = _opening(there)
        sets = [f"{name} = :{name}" for name in (*replay, *before)]
        values |= {f":{name}": value for name, value in {**replay, **before}.items()}
        return self._update(task_list.id, sort_key, f"SET {', '.join(sets)}{update}", IS_EARLIER, values)

    def _take_off(self, task_list: TaskList, sort_key: str, number: int, *, well: bool) -> Item:
        """Take a number off the outstanding ones. Doing it twice changes nothing more."""
        update = "DELETE outstanding :number" if well else "DELETE outstanding :number ADD failed :number"
        values = {":number": numbers_value(frozenset({number})), **replay_values(task_list.replay)}
        condition = f"attribute_exists(pk) AND {is_of_replay(task_list.replay)}"
        return self._update(task_list.id, sort_key, update, condition, values)

    def _change(self, list_id: str, update: str, condition: str, values: Item) -> TaskList | None:
        """Change a list where the condition holds; returns it as it then is."""
        try:
            return _from_item(self._update(list_id, "LIST", update, condition, values))
        except ConditionFailed:
            # Without a record there is none to return.
            return None

    def _update(self, list_id: str, sort_key: str, update: str, condition: str, values: Item) -> Item:
        """Update a record where the condition holds; returns the record as it then is."""
        names = {f"#{name}": name for name in ("state", "error", "index") if f"#{name}" in update + condition}
        try:
            answer: Item = self.client.call(
                "UpdateItem",
                TableName=self.table,
                Key=_key(list_id, sort_key),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except ConditionFailed as refusal:
            return present(refusal)
        item: Item = answer["Attributes"]
        return item

    def _query(self, pk: str, prefix: str = "", attributes: tuple[str, ...] = ()) -> Iterator[Item]:
        """The records of a partition whose sort key begins with `prefix`, in order; only these attributes, if any."""
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if prefix:
            condition, values = "pk = :pk AND begins_with(sk, :prefix)", {**values, ":prefix": {"S": prefix}}
        names = {f"#{name}": name for name in attributes}
        only: Item = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names} if names else {}
        start: Item = {}
        while True:
            page: Item = self.client.call(
                "Query",
                TableName=self.table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                **only,
                **start,
            )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def list_key(list_id: str) -> Item:
    """The primary key of a list's own record."""
    return _key(list_id, "LIST")


def group_key(list_id: str, index: int) -> Item:
    """The primary key of the record that a group has once it has started."""
    return _key(list_id, _group_key(index))


def _key(list_id: str, sort_key: str) -> Item:
    return {"pk": {"S": f"LIST#{list_id}"}, "sk": {"S": sort_key}}


def _group_key(index: int) -> str:
    return f"GROUP#{index:04}"


def _chunk_key(index: int, chunk: int) -> str:
    return f"CHUNK#{index:04}#{chunk:04}"


def _outstanding(numbers: range) -> Item:
    return {"outstanding": numbers_value(frozenset(numbers))} if numbers else {}


def _group_from_item(item: Item) -> GroupState:
    return GroupState(
        index=int(item["index"]["N"]),
        state=State(item["state"]["S"]),
        outstanding=read_numbers(item, "outstanding"),
        failed=read_numbers(item, "failed"),
        failed_before=bool(item["failedBefore"]["BOOL"]),
        starts_at=read_number(item, "startsAt"),
        stopped_at=int(item["stoppedAt"]["N"]) if "stoppedAt" in item else None,
        replay=read_number(item, "replay"),
        result=read_body(item["groupResult"]) if "groupResult" in item else None,
        error=item["error"]["S"] if "error" in item else None,
    )


def _to_item(task_list: TaskList) -> Item:
    return {
        **_key(task_list.id, "LIST"),
        **listed_values("LIST", task_list.id, task_list.created_at),
        "id": {"S": task_list.id},
        "name": {"S": task_list.name},
        "plan": body_value(task_list.plan),
        "request": body_value(task_list.request),
        "cacheNamespace": {"S": task_list.cache_namespace},
        "cacheScope": {"S": task_list.cache_scope},
        "state": {"S": task_list.state},
        "createdAt": time_value(task_list.created_at),
        "expiresAt": expiry_value(task_list.expires_at),
    }


def _from_item(item: Item) -> TaskList:
    return TaskList(
        id=item["id"]["S"],
        # Lists that were created before they were searched for have no name.
        name=item["name"]["S"] if "name" in item else "",
        plan=read_body(item["plan"]),
        request=read_body(item["request"]),
        cache_namespace=item["cacheNamespace"]["S"],
        cache_scope=item["cacheScope"]["S"],
        state=State(item["state"]["S"]),
        created_at=read_time(item["createdAt"]),
        expires_at=read_expiry(item["expiresAt"]),
        finished_at=read_time(item["finishedAt"]) if "finishedAt" in item else None,
        replay=read_number(item, "replay"),
    )


# -- replays


def _opening(there: Item) -> tuple[str, Item]:
    """What opens a group or a chunk for its failed tasks, as the rest of an update, and its values."""
    update, removes = "", []
    values: Item = {}
    if there.get("state", {}).get("S") == State.FAILED:
        update += ", #state = :pending"
        values[":pending"] = {"S": State.PENDING}
        removes += [name for name in ("groupResult", "#error") if name.lstrip("#") in there]
    for name, source in (("outstanding", "failed"), ("startsAt", "stoppedAt")):
        if source in there:
            update += f", {name} = {source}"
            removes.append(source)
    return f"{update} REMOVE {', '.join(removes)}" if removes else update, values
