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
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from task_service.adapters import aws
from task_service.adapters.dynamodb_records import is_possible, present, put_new, read
from task_service.adapters.dynamodb_values import (
    Item,
    body_value,
    expiry_value,
    listed_values,
    numbers_value,
    read_body,
    read_expiry,
    read_numbers,
    read_time,
    shard_value,
    time_value,
)
from task_service.domain.task import Body, State
from task_service.domain.task_list import CHUNK, GroupState, TaskList
from task_service.ports import ListRecords
from task_service.wired import wired


@wired
class DynamoDbTaskLists:
    """The task lists of one table."""

    client: Any
    table: str

    def add(self, task_list: TaskList) -> None:
        """Write a new list; returns once it is durable."""
        put_new(self.client, self.table, _to_item(task_list))

    def remove(self, list_id: str) -> None:
        """Take a list back that was promised to nobody."""
        aws.request(self.client.delete_item, TableName=self.table, Key=_key(list_id, "LIST"))

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
                self._put_new(task_list, _chunk_key(index, chunk), _outstanding(positions))
        attributes: Item = {
            "index": {"N": str(index)},
            "state": {"S": State.PENDING},
            "failedBefore": {"BOOL": failed_before},
            **_outstanding(range(parts)),
        }
        present = self._put_new(task_list, _group_key(index), attributes)
        return _group_from_item(present or attributes)

    def end_task(self, list_id: str, index: int, position: int, *, well: bool, parallel: int) -> GroupState | None:
        """Take a task of a parallel group off the outstanding ones; None while others of its chunk are."""
        if parallel > CHUNK:
            chunk = position // CHUNK
            item = self._take_off(list_id, _chunk_key(index, chunk), position, well=well)
            if read_numbers(item, "outstanding"):
                return None
            position, well = chunk, not read_numbers(item, "failed")
        return _group_from_item(self._take_off(list_id, _group_key(index), position, well=well))

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
        item = self._update(list_id, _group_key(index), f"SET {', '.join(sets)}", "#state = :pending", values)
        return _group_from_item(item)

    def end(self, list_id: str, *, well: bool, now: datetime) -> bool:
        """Write how a list ends, unless that is written; returns whether it was not."""
        values: Item = {
            ":state": {"S": State.DONE if well else State.FAILED},
            ":created": {"S": State.CREATED},
            ":now": time_value(now),
        }
        update = "SET #state = :state, finishedAt = :now"
        if not well:
            update += ", failedShard = :shard"
            values[":shard"] = shard_value(f"LIST#{State.FAILED}", list_id)
        item = self._update(list_id, "LIST", update, "#state = :created", values)
        return bool(item.get("finishedAt") == values[":now"])

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
            if not group.state.is_final
            for place, state in self._tasks_under_way(list_id, group.index)
        }
        return ListRecords(task_list=task_list, groups=groups, tasks=tasks, failed=failed)

    def results(self, list_id: str, index: int) -> list[Body]:
        """The results of a group's tasks that are done, in order."""
        items = self._query(f"TASKS#{list_id}", f"TASK#{index:04}#", ("result",))
        return [read_body(item["result"]) for item in items if "result" in item]

    def _tasks_under_way(self, list_id: str, index: int) -> Iterator[tuple[tuple[int, int], State]]:
        for item in self._query(f"TASKS#{list_id}", f"TASK#{index:04}#", ("sk", "state")):
            state = State(item["state"]["S"])
            # The record is written by the first claim: one that is not pending any more waits for a retry.
            shown = State.PENDING if state is State.CREATED else state
            yield (index, int(item["sk"]["S"].rpartition("#")[2])), shown

    def _put_new(self, task_list: TaskList, sort_key: str, attributes: Item) -> Item | None:
        """Write a record that is not there yet; returns the one that is."""
        item = {**_key(task_list.id, sort_key), **attributes, "expiresAt": expiry_value(task_list.expires_at)}
        return put_new(self.client, self.table, item)

    def _take_off(self, list_id: str, sort_key: str, number: int, *, well: bool) -> Item:
        """Take a number off the outstanding ones. Doing it twice changes nothing more."""
        update = "DELETE outstanding :number" if well else "DELETE outstanding :number ADD failed :number"
        values = {":number": numbers_value(frozenset({number}))}
        return self._update(list_id, sort_key, update, "attribute_exists(pk)", values)

    def _update(self, list_id: str, sort_key: str, update: str, condition: str, values: Item) -> Item:
        """Update a record where the condition holds; returns the record as it then is."""
        names = {f"#{name}": name for name in ("state", "error") if f"#{name}" in update + condition}
        try:
            answer: Item = aws.request(
                self.client.update_item,
                TableName=self.table,
                Key=_key(list_id, sort_key),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except ClientError as refusal:
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
            page: Item = aws.request(
                self.client.query,
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
        stopped_at=int(item["stoppedAt"]["N"]) if "stoppedAt" in item else None,
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
    )
