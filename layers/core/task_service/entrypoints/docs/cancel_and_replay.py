"""Descriptions of the operations that cancel and replay."""

from collections.abc import Iterable
from typing import Final

from task_service.domain.errors import Conflict, NotFound
from task_service.domain.task import State
from task_service.domain.task_list import CANCELLED
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import (
    PAYLOAD_ERRORS,
    TASK_ID,
    TASK_LIST_ID,
    TASK_LISTS,
    TASKS,
)
from task_service.entrypoints.docs.examples import raised_by
from task_service.entrypoints.docs.operation import Body, Operation, Success
from task_service.entrypoints.docs.tasks import LIST_ITEM, PAST_ATTEMPT, SOME_ID, SOME_LIST_ID, TASK_CREATED
from task_service.schemas.replay import ReplaySchema, read_replays

_CANCELLED: Final = {"status": "cancelled", "finishedAt": "2026-11-24T06:00:39.097Z"}
_CANCELLED_TASK: Final = {**TASK_CREATED, **_CANCELLED, "error": CANCELLED, "history": []}
_PENDING_LIST: Final = {**LIST_ITEM, "status": "pending"}


def operations() -> Iterable[Operation]:
    """Cancel and replay one task or list, and replay many."""
    yield _of_task(
        "cancel",
        "Cancel a task",
        "A task that has not started never starts; the result of a call that is still running is discarded. "
        "The id of a list cancels the list.",
        Success(description="It is cancelled.", shape=answers.TaskOrList, example=_CANCELLED_TASK),
        Conflict.has_ended("task", State.DONE),
    )
    yield _of_task(
        "replay",
        "Replay a failed task",
        "It starts again under the same id, with the same request, the template as it was when the task was created, "
        "and as many attempts as before.",
        Success(
            description="It starts again.",
            shape=answers.TaskStatus,
            example={**TASK_CREATED, "history": [PAST_ATTEMPT]},
        ),
        Conflict.has_not_failed("task", State.DONE),
    )
    yield _of_list(
        "cancel",
        "Cancel a task list",
        "No task of the list starts after this.",
        Success(description="It is cancelled.", shape=answers.TaskListItem, example={**LIST_ITEM, **_CANCELLED}),
        Conflict.has_ended("taskList", State.DONE),
    )
    yield _of_list(
        "replay",
        "Replay a failed task list",
        "It starts again under the same id, from its failed tasks; tasks that are done stay as they are.",
        Success(description="It starts again.", shape=answers.TaskListItem, example=_PENDING_LIST),
        Conflict.has_not_failed("taskList", State.DONE),
    )
    yield _replay_many()


def _of_task(action: str, summary: str, description: str, answer: Success, refusal: Conflict) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/tasks/{{taskID}}/{action}",
        id=f"{action}Task",
        tag=TASKS,
        summary=summary,
        description=description,
        parameters=(TASK_ID,),
        answers={200: answer},
        errors=(NotFound.task(), refusal, Conflict.part_of_list(SOME_LIST_ID)),
    )


def _of_list(action: str, summary: str, description: str, answer: Success, refusal: Conflict) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/taskLists/{{taskListID}}/{action}",
        id=f"{action}TaskList",
        tag=TASK_LISTS,
        summary=summary,
        description=description,
        parameters=(TASK_LIST_ID,),
        answers={200: answer},
        errors=(NotFound.task_list(), refusal),
    )


def _replay_many() -> Operation:
    return Operation(
        method="POST",
        path="/v1/replays",
        id="replayMany",
        tag=TASKS,
        summary="Replay failed tasks or task lists",
        description=(
            "Replays a page of those that failed and match the filter; send `next` to go on, until it is null. `since` "
            "and `until` are times of creation. For an outage, choose an earlier `since`: tasks that failed in it may "
            "have been created, delayed and retried before."
        ),
        body=Body(
            shape=ReplaySchema,
            examples={"an outage": {"since": "2026-11-24T04:00:00Z", "until": "2026-11-24T07:00:00Z"}},
        ),
        answers={
            200: Success(
                description="Those that start again, and those that do not.",
                shape=answers.Replayed,
                example={
                    "items": [TASK_CREATED],
                    "skipped": [{"id": SOME_ID, "reason": Conflict.has_not_failed("task", State.PENDING).message}],
                    "next": None,
                },
            )
        },
        errors=(*PAYLOAD_ERRORS, raised_by(lambda: read_replays("{}"))),
    )
