"""Descriptions of the operations that create and read tasks and task lists."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from task_service.domain.errors import NotFound
from task_service.domain.limits import MAX_BATCH
from task_service.domain.template import TemplateKind
from task_service.entrypoints.api.batch import refuse_headers
from task_service.entrypoints.api.problem import members
from task_service.entrypoints.docs import answers, prefer
from task_service.entrypoints.docs.common import (
    CACHE_HEADERS,
    NAME_RULE,
    PAYLOAD_ERRORS,
    START_ERRORS,
    START_HEADERS,
    TASK_ID,
    TASK_LIST_ID,
    TASK_LISTS,
    TASKS,
    TRACE_HEADERS,
    in_path,
)
from task_service.entrypoints.docs.examples import a_request, raised_by
from task_service.entrypoints.docs.operation import ANY_JSON, Body, Operation, Shape, Success
from task_service.schemas.batch import TaskOrdersSchema, read_orders

SOME_ID: Final = "a9d7398a-fbfe-48bd-bb64-c5b7a92a5d5a"
SOME_LIST_ID: Final = "80e7d5e0-70ca-4337-8d78-d770ba98a3f1"

_BODY: Final = Body(
    shape=ANY_JSON,
    description="Any JSON value, read as JSON whatever Content-Type says. It is sent to the target unchanged.",
    examples={"an object": {"greeting": "hello"}, "any other value": 42},
)

_CREATION_HEADERS: Final = (*CACHE_HEADERS, *START_HEADERS, *TRACE_HEADERS, prefer.WAIT, prefer.KEY)

TASK_CREATED: Final[Mapping[str, Any]] = {
    "id": SOME_ID,
    "name": "hello",
    "status": "created",
    "attempts": 0,
    "responseCode": None,
    "createdAt": "2026-11-24T06:00:39.051Z",
    "startedAt": None,
    "finishedAt": None,
    "error": None,
}
_STARTED: Final = {"status": "pending", "attempts": 1, "startedAt": "2026-11-24T06:00:39.076Z"}
_FINISHED: Final = {"finishedAt": "2026-11-24T06:00:39.097Z"}
TASK_DONE: Final = {**TASK_CREATED, **_STARTED, **_FINISHED, "status": "done", "responseCode": 200}
TASK_FAILED: Final = {
    **TASK_CREATED,
    **_STARTED,
    **_FINISHED,
    "status": "failed",
    "responseCode": 404,
    "error": "the target answered 404",
}

PAST_ATTEMPT: Final = {"attempt": 1} | {
    name: TASK_FAILED[name] for name in ("startedAt", "finishedAt", "responseCode", "error")
}

LIST_ITEM: Final[Mapping[str, Any]] = {
    "id": SOME_LIST_ID,
    "name": "three-groups",
    "status": "created",
    "createdAt": "2026-11-24T06:00:39.051Z",
    "finishedAt": None,
}


def operations() -> Iterable[Operation]:
    """Create and read tasks and lists."""
    yield _create_task()
    yield _create_tasks()
    yield _task_result()
    yield _task_status()
    yield _create_list()
    yield _list_status()


def _create_task() -> Operation:
    task_id = prefer.identity("x-task-id", "the task")
    link = {"operationId": "readTaskStatus", "parameters": {"taskID": "$response.body#/taskID"}}
    return Operation(
        method="POST",
        path="/v1/task/{taskName}",
        id="createTask",
        tag=TASKS,
        summary="Create a task",
        description=(
            "The answer comes once the task is durable. From then on its status can be read. A task that waits for its "
            "time is `created`, and can be cancelled."
        ),
        parameters=(in_path("taskName", f"The name of a task template. {NAME_RULE}", "hello"), *_CREATION_HEADERS),
        body=_BODY,
        answers={
            200: Success(
                description="The task is durable, and will run. With `Prefer`, if it is done in time: its result.",
                shape=(answers.TaskCreated, ANY_JSON),
                example={"taskID": SOME_ID},
                headers={**prefer.APPLIED, **prefer.LOCATION, **task_id},
                links={"status": link, "result": {**link, "operationId": "readTaskResult"}},
            )
        },
        errors=(
            *PAYLOAD_ERRORS,
            *START_ERRORS,
            NotFound.template(TemplateKind.TASK),
            prefer.FAILED,
            prefer.WAS_CANCELLED,
            *prefer.KEY_ERRORS,
        ),
        error_headers={prefer.FAILED.status: {**prefer.APPLIED, **task_id}},
    )


def _create_tasks() -> Operation:
    created = {"taskID": SOME_ID}
    refusal = members(NotFound.template(TemplateKind.TASK), SOME_LIST_ID)
    return Operation(
        method="POST",
        path="/v1/tasks",
        id="createTasks",
        tag=TASKS,
        summary="Create many tasks",
        description=(
            "Each task answers for itself, in order: with its id once it is durable, or with its error. If the request "
            "itself is refused, no task is created."
        ),
        parameters=TRACE_HEADERS,
        body=Body(
            shape=TaskOrdersSchema,
            examples={
                "two tasks": [
                    {"name": "hello", "body": {"greeting": "hello"}},
                    {"name": "hello", "body": 42, "idempotencyKey": "order-42", "delaySeconds": 3600},
                ]
            },
        ),
        answers={
            200: Success(
                description="All of them are durable, and will run.", shape=answers.TasksCreated, example=[created]
            ),
            207: Success(
                description="Some are durable, and will run; in the places of the others are their errors.",
                shape=answers.TasksCreatedOrNot,
                example=[created, refusal],
            ),
        },
        errors=(
            *PAYLOAD_ERRORS,
            raised_by(lambda: read_orders("{}")),
            raised_by(lambda: read_orders(f"[{','.join('1' * (MAX_BATCH + 1))}]")),
            raised_by(lambda: refuse_headers(a_request(headers={"Idempotency-Key": "order-42"}))),
        ),
    )


def _task_result() -> Operation:
    return Operation(
        method="GET",
        path="/v1/taskResult/{taskID}",
        id="readTaskResult",
        tag=TASKS,
        summary="Read the result of a task",
        description="The target's answer or the policies' output, unchanged; text other than JSON as a JSON string.",
        parameters=(TASK_ID, prefer.WAIT),
        answers={
            200: Success(
                description="The result.", shape=ANY_JSON, example={"greeting": "hello"}, headers=prefer.APPLIED
            )
        },
        errors=(
            NotFound.task(),
            NotFound.result(),
            prefer.FAILED,
            prefer.WAS_CANCELLED,
        ),
        error_headers={404: prefer.APPLIED, prefer.FAILED.status: prefer.APPLIED},
    )


def _task_status() -> Operation:
    examples = {
        200: {**TASK_DONE, "history": [{**PAST_ATTEMPT, "responseCode": 200, "error": None}]},
        201: {**TASK_CREATED, "history": []},
        202: {**TASK_CREATED, **_STARTED, "history": []},
        207: {**TASK_FAILED, "history": [PAST_ATTEMPT]},
    }
    return Operation(
        method="GET",
        path="/v1/taskStatus/{taskID}",
        id="readTaskStatus",
        tag=TASKS,
        summary="Read the status of a task",
        parameters=(TASK_ID, prefer.WAIT),
        answers=_by_state(answers.TaskStatus, examples),
        errors=(NotFound.task(),),
        error_headers={404: prefer.APPLIED},
    )


def _create_list() -> Operation:
    headers = {**prefer.APPLIED, **prefer.LOCATION, **prefer.identity("x-task-list-id", "the list")}
    link = {"operationId": "readTaskListStatus", "parameters": {"taskListID": "$response.body#/taskListID"}}
    return Operation(
        method="POST",
        path="/v1/taskList/{taskListName}",
        id="createTaskList",
        tag=TASK_LISTS,
        summary="Create a task list",
        description=(
            "The answer comes once the list is durable. The body is the request of its tasks. In a sequential group, "
            "only the first task gets it; each other one gets the result of the task before it."
        ),
        parameters=(
            in_path("taskListName", f"The name of a task list template. {NAME_RULE}", "three-groups"),
            *_CREATION_HEADERS,
        ),
        body=_BODY,
        answers={
            200: Success(
                description="The list is durable, and will run. With `Prefer`, if it is done in time: its status.",
                shape=(answers.TaskListCreated, answers.TaskListStatus),
                example={"taskListID": SOME_LIST_ID},
                headers=headers,
                links={"status": link},
            ),
            207: Success(
                description="With `Prefer`, if the list failed or was cancelled in time: its status.",
                shape=answers.TaskListStatus,
                example=_list_example("failed", "failed"),
                headers=headers,
            ),
        },
        errors=(
            *PAYLOAD_ERRORS,
            *START_ERRORS,
            NotFound.template(TemplateKind.TASK_LIST),
            NotFound.tasks_of_list(["send-mail"]),
            *prefer.KEY_ERRORS,
        ),
    )


def _list_status() -> Operation:
    examples = {
        200: _list_example("done", "done"),
        201: _list_example("created", "created"),
        202: _list_example("pending", "created"),
        207: _list_example("failed", "failed"),
    }
    return Operation(
        method="GET",
        path="/v1/taskListStatus/{taskListID}",
        id="readTaskListStatus",
        tag=TASK_LISTS,
        summary="Read the status of a task list",
        description="With every group and every task, in the order of the template.",
        parameters=(TASK_LIST_ID, prefer.WAIT),
        answers=_by_state(answers.TaskListStatus, examples),
        errors=(NotFound.task_list(),),
        error_headers={404: prefer.APPLIED},
    )


def _list_example(list_status: str, task_status: str) -> Any:
    tasks = [{"id": f"{SOME_LIST_ID}.0.0", "name": "send-mail", "status": task_status}]
    groups = [{"id": f"{SOME_LIST_ID}.0", "status": list_status, "tasks": tasks}]
    finished = {"finishedAt": "2026-11-24T06:00:41.310Z"} if list_status in ("done", "failed") else {}
    return {**LIST_ITEM, "status": list_status, **finished, "groups": groups}


def _by_state(shape: Shape, examples: Mapping[int, Any]) -> dict[int, Success]:
    """Answers whose HTTP status depends on the state of a task or list."""
    descriptions = {
        200: "It is done.",
        201: "It is created and has not started.",
        202: "It is pending: it runs, or waits for a retry.",
        207: "It failed, or was cancelled.",
    }
    return {
        status: Success(description=description, shape=shape, example=examples[status], headers=prefer.APPLIED)
        for status, description in descriptions.items()
    }
