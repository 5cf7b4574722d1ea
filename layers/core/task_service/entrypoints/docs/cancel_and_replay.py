"""Cancelling and replaying, as they are described."""

from collections.abc import Iterable
from typing import Final

from task_service.domain.errors import BadRequest, Conflict, NotFound
from task_service.domain.task_list import CANCELLED
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import (
    PAYLOAD_ERRORS,
    TASK_ID,
    TASK_LIST_ID,
    TASK_LISTS,
    TASKS,
    UNAVAILABLE,
    UNREADABLE_NAME,
)
from task_service.entrypoints.docs.operation import Body, Operation, Success
from task_service.entrypoints.docs.tasks import LIST_ITEM, SOME_LIST_ID, TASK_CREATED
from task_service.schemas.replay import ReplaySchema

_CANCELLED: Final = {"status": "cancelled", "finishedAt": "2026-11-24T06:00:39.097Z"}
_CANCELLED_TASK: Final = {**TASK_CREATED, **_CANCELLED, "error": CANCELLED}
_UNDER_WAY: Final = {**LIST_ITEM, "status": "pending"}
_PART_OF_LIST: Final = Conflict(f"task is a part of taskList {SOME_LIST_ID}: this is possible for the whole list only")


def operations() -> Iterable[Operation]:
    """Cancelling and replaying of one task or list, and replaying of many."""
    yield _acting_on_task(
        "cancel",
        "Cancel a task",
        "What has not started never does; what comes of a call under way is discarded. Takes the id of a list too.",
        Success(description="It is cancelled.", shape=answers.TaskOrList, example=_CANCELLED_TASK),
        Conflict("task is done: only one that has not ended can be cancelled"),
    )
    yield _acting_on_task(
        "replay",
        "Replay a failed task",
        "It starts again under the same id, with the same request, the template as it was at its creation, and all its "
        "attempts.",
        Success(description="It runs again.", shape=answers.TaskStatus, example=TASK_CREATED),
        Conflict("task is done: only one that has failed can be replayed"),
    )
    yield _acting_on_list(
        "cancel",
        "Cancel a task list",
        "No task of it starts after this.",
        Success(description="It is cancelled.", shape=answers.TaskListItem, example={**LIST_ITEM, **_CANCELLED}),
        Conflict("taskList is done: only one that has not ended can be cancelled"),
    )
    yield _acting_on_list(
        "replay",
        "Replay a failed task list",
        "It starts again under the same id, from its failed tasks: what is done stays as it is.",
        Success(description="It runs again.", shape=answers.TaskListItem, example=_UNDER_WAY),
        Conflict("taskList is done: only one that has failed can be replayed"),
    )
    yield _replay_many()


def _acting_on_task(act: str, summary: str, description: str, answer: Success, refusal: Conflict) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/tasks/{{taskID}}/{act}",
        id=f"{act}Task",
        tag=TASKS,
        summary=summary,
        description=description,
        parameters=(TASK_ID,),
        answers={200: answer},
        errors=(UNREADABLE_NAME, NotFound("task is not found"), refusal, _PART_OF_LIST, UNAVAILABLE),
    )


def _acting_on_list(act: str, summary: str, description: str, answer: Success, refusal: Conflict) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/taskLists/{{taskListID}}/{act}",
        id=f"{act}TaskList",
        tag=TASK_LISTS,
        summary=summary,
        description=description,
        parameters=(TASK_LIST_ID,),
        answers={200: answer},
        errors=(UNREADABLE_NAME, NotFound("taskList is not found"), refusal, UNAVAILABLE),
    )


def _replay_many() -> Operation:
    return Operation(
        method="POST",
        path="/v1/replays",
        id="replayMany",
        tag=TASKS,
        summary="Replay failed tasks or task lists",
        description=(
            "Those of a page of what is found; the next page with `next`, until it is null. `since` and `until` are "
            "times of creation: for an outage, `since` is earlier by as long as tasks had waited and been retried."
        ),
        body=Body(
            shape=ReplaySchema,
            examples={"an outage": {"since": "2026-11-24T04:00:00Z", "until": "2026-11-24T07:00:00Z"}},
        ),
        answers={
            200: Success(
                description="What runs again, and what does not.",
                shape=answers.Replayed,
                example={
                    "items": [TASK_CREATED],
                    "skipped": [
                        {"id": SOME_LIST_ID, "reason": "task is pending: only one that has failed can be replayed"}
                    ],
                    "next": None,
                },
            )
        },
        errors=(*PAYLOAD_ERRORS, BadRequest("at least one of name, since and until is needed"), UNAVAILABLE),
    )
