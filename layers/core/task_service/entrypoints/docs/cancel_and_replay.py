"""Descriptions of the operations that cancel and replay."""

from collections.abc import Iterable
from typing import Final

from task_service.domain.errors import Conflict, NotFound, TaskServiceError
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
from task_service.entrypoints.docs.operation import Body, Operation, Parameter, Success
from task_service.entrypoints.docs.tasks import LIST_ITEM, PAST_ATTEMPT, SOME_ID, SOME_LIST_ID, TASK_CREATED
from task_service.schemas.replay import ReplaySchema, read_replays

_CANCELLED: Final = {"status": "cancelled", "finishedAt": "2026-11-24T06:00:39.097Z"}
_CANCELLED_TASK: Final = {**TASK_CREATED, **_CANCELLED, "error": CANCELLED, "history": []}
_PENDING_LIST: Final = {**LIST_ITEM, "status": "pending"}


def operations() -> Iterable[Operation]:
    """Cancel and replay one task or list, and replay many."""
    part_of_list = Conflict.part_of_list(SOME_LIST_ID)
    yield _act(
        "cancel",
        TASK_ID,
        "Cancel a task",
        "A task that has not started never starts; the result of a call that is still running is discarded. "
        "The id of a list cancels the list.",
        Success(description="It is cancelled.", shape=answers.TaskOrList, example=_CANCELLED_TASK),
        NotFound.task(),
        Conflict.has_ended("task", State.DONE),
        part_of_list,
    )
    yield _act(
        "replay",
        TASK_ID,
        "Replay a failed task",
        "It starts again under the same id, with the same request, the template as it was when the task was created, "
        "and as many attempts as before.",
        Success(
            description="It starts again.",
            shape=answers.TaskStatus,
            example={**TASK_CREATED, "history": [PAST_ATTEMPT]},
        ),
        NotFound.task(),
        Conflict.has_not_failed("task", State.DONE),
        part_of_list,
    )
    yield _act(
        "cancel",
        TASK_LIST_ID,
        "Cancel a task list",
        "No task of the list starts after this.",
        Success(description="It is cancelled.", shape=answers.TaskListItem, example={**LIST_ITEM, **_CANCELLED}),
        NotFound.task_list(),
        Conflict.has_ended("taskList", State.DONE),
    )
    yield _act(
        "replay",
        TASK_LIST_ID,
        "Replay a failed task list",
        "It starts again under the same id, from its failed tasks; tasks that are done stay as they are.",
        Success(description="It starts again.", shape=answers.TaskListItem, example=_PENDING_LIST),
        NotFound.task_list(),
        Conflict.has_not_failed("taskList", State.DONE),
    )
    yield _replay_many()


def _act(
    action: str, on: Parameter, summary: str, description: str, answer: Success, *errors: TaskServiceError
) -> Operation:
    resource, noun, tag = ("tasks", "Task", TASKS) if on is TASK_ID else ("taskLists", "TaskList", TASK_LISTS)
    return Operation(
        method="POST",
        path=f"/v1/{resource}/{{{on.name}}}/{action}",
        id=f"{action}{noun}",
        tag=tag,
        summary=summary,
        description=description,
        parameters=(on,),
        answers={200: answer},
        errors=errors,
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
