"""Descriptions of the operations on event tasks: templates that the body names, not the path."""

import json
from collections.abc import Iterable

from task_service.domain.limits import MAX_NAME_BYTES
from task_service.domain.template import TemplateKind
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import ETAG, EVENT_TASKS, IF_MATCH, IF_NONE_MATCH, PAGING, PAYLOAD_ERRORS
from task_service.entrypoints.docs.examples import raised_by
from task_service.entrypoints.docs.operation import Body, Operation, Success
from task_service.entrypoints.docs.templates import PAGE_ERRORS, delete_errors, put_errors
from task_service.schemas.event_task import EventTaskIdentity, EventTaskSchema, identify


def operations() -> Iterable[Operation]:
    """Write, list and delete event tasks."""
    entry = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration"}
    event_task = {**entry, "taskName": "cacheEvent"}
    comma = raised_by(lambda: identify('{"key": "a,b"}'))
    too_long = raised_by(lambda: identify(json.dumps({"key": "k" * MAX_NAME_BYTES})))

    def stored(description: str) -> Success:
        return Success(description=description, shape=EventTaskSchema, example=event_task, headers={"ETag": ETAG})

    yield Operation(
        method="GET",
        path="/v1/eventTasks",
        id="listEventTasks",
        tag=EVENT_TASKS,
        summary="List them, page by page",
        parameters=PAGING,
        answers={
            200: Success(
                description="A page.", shape=answers.EventTaskPage, example={"items": [event_task], "next": None}
            )
        },
        errors=PAGE_ERRORS,
    )
    yield Operation(
        method="PUT",
        path="/v1/eventTasks",
        id="writeEventTask",
        tag=EVENT_TASKS,
        summary="Write an event task",
        description=(
            "An empty namespace or scope is the same as one that is not set. The template of the task needs a "
            "`requestPolicy`."
        ),
        parameters=(IF_MATCH, IF_NONE_MATCH),
        body=Body(shape=EventTaskSchema, examples={"an entry": event_task}),
        answers={200: stored("It replaced another version."), 201: stored("It is new.")},
        errors=(comma, too_long, *put_errors(TemplateKind.EVENT_TASK)),
    )
    yield Operation(
        method="DELETE",
        path="/v1/eventTasks",
        id="deleteEventTask",
        tag=EVENT_TASKS,
        summary="Delete an event task",
        description="Deletes the event task with this key, namespace and scope, whatever its `taskName` is.",
        parameters=(IF_MATCH,),
        body=Body(shape=EventTaskIdentity, examples={"an entry": entry}),
        answers={204: Success(description="It is deleted.")},
        errors=(comma, too_long, *PAYLOAD_ERRORS, *delete_errors(TemplateKind.EVENT_TASK)),
    )
