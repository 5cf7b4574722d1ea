"""Cancelling and replaying, as they are described."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from task_service.docs import answers
from task_service.docs.bodies import ReplayBody
from task_service.docs.common import (
    PAYLOAD_ERRORS,
    TASK_ID,
    TASK_LIST_ID,
    TASK_LISTS,
    TASKS,
    UNAVAILABLE,
    UNREADABLE_NAME,
)
from task_service.docs.operation import Body, Operation, Parameter, Shape, Success, Tag
from task_service.docs.tasks import LIST_ITEM, SOME_LIST_ID, TASK_CREATED
from task_service.domain.errors import BadRequest, Conflict, NotFound

_CANCELLED: Final = {"status": "cancelled", "finishedAt": "2026-11-24T06:00:39.097Z"}
_TASK: Final = ("/v1/tasks/{taskID}", "Task", TASKS, TASK_ID, "task")
_LIST: Final = ("/v1/taskLists/{taskListID}", "TaskList", TASK_LISTS, TASK_LIST_ID, "task list")


def operations() -> Iterable[Operation]:
    """Cancelling and replaying of one task or list, and replaying of many."""
    yield _cancel(*_TASK, TASK_CREATED)
    yield _cancel(*_LIST, LIST_ITEM)
    yield _replay(*_TASK, TASK_CREATED)
    yield _replay(*_LIST, LIST_ITEM)
    yield _replay_many()


def _cancel(path: str, noun_id: str, tag: Tag, parameter: Parameter, noun: str, shown: Mapping[str, Any]) -> Operation:
    is_task = parameter is TASK_ID
    shape: Shape = answers.TaskOrList if is_task else answers.TaskListItem
    return Operation(
        method="POST",
        path=f"{path}/cancel",
        id=f"cancel{noun_id}",
        tag=tag,
        summary=f"Cancel a {noun}",
        description="Ends it unless it has ended. A call under way is not broken off, but its answer does not count. "
        + ("Also takes the id of a list. A task of a list ends with its list only." if is_task else ""),
        parameters=(parameter,),
        answers={200: Success(description="It is cancelled.", shape=shape, example={**shown, **_CANCELLED})},
        errors=(
            UNREADABLE_NAME,
            NotFound(f"{noun.replace(' l', 'L')} is not found"),
            Conflict(f"the {noun} is done, and cannot be cancelled"),
            UNAVAILABLE,
        ),
    )


def _replay(path: str, noun_id: str, tag: Tag, parameter: Parameter, noun: str, shown: Mapping[str, Any]) -> Operation:
    shape: Shape = answers.TaskStatus if parameter is TASK_ID else answers.TaskListItem
    return Operation(
        method="POST",
        path=f"{path}/replay",
        id=f"replay{noun_id}",
        tag=tag,
        summary=f"Replay a failed {noun}",
        description="Under the same id, with the same request"
        + ("." if parameter is TASK_ID else "; what is done already is not done again."),
        parameters=(parameter,),
        answers={200: Success(description="It runs again.", shape=shape, example=shown)},
        errors=(
            UNREADABLE_NAME,
            NotFound(f"{noun.replace(' l', 'L')} is not found"),
            Conflict(f"the {noun} is done; only what has failed can be replayed"),
            UNAVAILABLE,
        ),
    )


def _replay_many() -> Operation:
    return Operation(
        method="POST",
        path="/v1/replays",
        id="replayMany",
        tag=TASKS,
        summary="Replay failed tasks or task lists",
        description="Those of a page of what is found; the next page with `next`, until it is null.",
        body=Body(
            shape=ReplayBody,
            examples={"an outage": {"since": "2026-11-24T06:00:00Z", "until": "2026-11-24T07:00:00Z"}},
        ),
        answers={
            200: Success(
                description="What runs again, and what does not.",
                shape=answers.Replayed,
                example={
                    "items": [TASK_CREATED],
                    "skipped": [{"id": SOME_LIST_ID, "reason": "it has been replayed already"}],
                    "next": None,
                },
            )
        },
        errors=(*PAYLOAD_ERRORS, BadRequest("at least one of name, since and until is needed"), UNAVAILABLE),
    )
