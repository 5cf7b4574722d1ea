"""Queries over the records of one list: what its status shows, and the results of a group."""

from collections.abc import Iterator

from task_service.adapters.aws.dynamodb.list_items import LIST_SORT_KEY, read_group, read_list
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.values import Item, read_body, read_number, read_numbers
from task_service.domain.task import Body, State
from task_service.domain.task_list import GroupState, ListRecords, TaskList


def read_records(table: Table, list_id: str) -> ListRecords | None:
    """Read the records of a list, consistently; None: there is no list of that id.

    Large lists take several pages, which are read one after the other. The list's own record comes first, because it is
    written last: what is read after it is at least as far, so no status goes back.
    """
    task_list: TaskList | None = None
    groups: dict[int, GroupState] = {}
    failed_in_chunks: dict[int, frozenset[int]] = {}
    for item in _query(table, f"LIST#{list_id}", last_first=True):
        kind, *numbers = item["sk"]["S"].split("#")
        if kind == LIST_SORT_KEY:
            task_list = read_list(item)
            continue
        index = int(numbers[0])
        if kind == "CHUNK":
            failed_in_chunks[index] = failed_in_chunks.get(index, frozenset()) | read_numbers(item, "failed")
        else:
            groups[index] = read_group(item)
    if task_list is None:
        return None
    tasks = {
        place: state
        for group in groups.values()
        if group.state not in (State.DONE, State.FAILED)
        for place, state in _started_tasks(table, task_list, group.index)
    }
    failed = {index: failed_in_chunks.get(index, group.failed) for index, group in groups.items()}
    return ListRecords(task_list=task_list, groups=groups, tasks=tasks, failed=failed)


def read_results(table: Table, list_id: str, index: int) -> Iterator[Body]:
    """Read the results of the tasks of a group that are done, in the order of their positions, page by page."""
    items = _query(table, f"TASKS#{list_id}", f"TASK#{index:04}#", ("result",))
    return (read_body(item["result"]) for item in items if "result" in item)


def _started_tasks(table: Table, task_list: TaskList, index: int) -> Iterator[tuple[tuple[int, int], State]]:
    """The place and the shown state of each task of a group that has a record."""
    attributes = ("sk", "state", "startedAt", "replay")
    for item in _query(table, f"TASKS#{task_list.id}", f"TASK#{index:04}#", attributes):
        state = State(item["state"]["S"])
        if task_list.will_replay(state, read_number(item, "replay")):
            state = State.CREATED
        elif state is State.CREATED and "startedAt" in item:
            # It waits for a retry.
            state = State.PENDING
        yield (index, int(item["sk"]["S"].rpartition("#")[2])), state


def _query(
    table: Table, pk: str, prefix: str = "", attributes: tuple[str, ...] = (), *, last_first: bool = False
) -> Iterator[Item]:
    """The records of a partition whose sort key begins with `prefix`, in order; only these attributes, if any."""
    condition, values = "pk = :pk", {":pk": {"S": pk}}
    if prefix:
        condition, values = "pk = :pk AND begins_with(sk, :prefix)", {**values, ":prefix": {"S": prefix}}
    names = {f"#{name}": name for name in attributes}
    only: Item = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names} if names else {}
    start: Item = {}
    while True:
        page: Item = table.call(
            "Query",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            ScanIndexForward=not last_first,
            **only,
            **start,
        )
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
