"""Task lists and their groups as records of the DynamoDB table."""

from typing import Final

from task_service.adapters.aws.dynamodb.values import (
    Item,
    body_value,
    listed_attributes,
    numbers_value,
    read_body,
    read_members,
    read_number,
    read_numbers,
    read_text,
)
from task_service.domain.task import State
from task_service.domain.task_list import GroupState, TaskList

LIST_SORT_KEY: Final = "LIST"
"""The sort key of a list's own record."""


def list_key(list_id: str, sort_key: str = LIST_SORT_KEY) -> Item:
    """The primary key of a list's own record, or of another one in its partition."""
    return {"pk": {"S": f"LIST#{list_id}"}, "sk": {"S": sort_key}}


def group_key(list_id: str, index: int) -> Item:
    """The primary key of the record that a group has once it has started."""
    return list_key(list_id, group_sort_key(index))


def group_sort_key(index: int) -> str:
    """The sort key of a group's record."""
    return f"GROUP#{index:04}"


def chunk_sort_key(index: int, chunk: int) -> str:
    """The sort key of the record of one chunk of a large group."""
    return f"CHUNK#{index:04}#{chunk:04}"


def outstanding_attributes(numbers: range) -> Item:
    """The attributes of the outstanding tasks of a group or a chunk, or of the outstanding chunks of a group."""
    return {"outstanding": numbers_value(numbers)} if numbers else {}


def list_item(task_list: TaskList) -> Item:
    """The record of a new list."""
    return {
        **list_key(task_list.id),
        **listed_attributes("LIST", task_list),
        "plan": body_value(task_list.plan),
        "request": body_value(task_list.request),
    }


def read_list(item: Item) -> TaskList:
    """The list of a record."""
    return TaskList(**read_members(item), plan=read_body(item["plan"]), request=read_body(item["request"]))


def read_group(item: Item) -> GroupState:
    """The state of a group, from its record."""
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
        error=read_text(item, "error"),
    )
