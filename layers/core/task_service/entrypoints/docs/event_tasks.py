"""Event tasks, as they are described: templates that their body names, not the path."""

from collections.abc import Iterable

from task_service.domain.errors import BadRequest, NotFound
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import ETAG, EVENT_TASKS, IF_MATCH, IF_NONE_MATCH, PAGING, PAYLOAD_ERRORS
from task_service.entrypoints.docs.operation import Body, Operation, Success
from task_service.entrypoints.docs.templates import DELETE_ERRORS, PAGE_ERRORS, PUT_ERRORS
from task_service.schemas.event_task import EventTaskIdentity, EventTaskSchema


def operations() -> Iterable[Operation]:
    """Writing, reading and deleting event tasks."""
    entry = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration"}
    event_task = {**entry, "taskName": "cacheEvent"}
    too_long = BadRequest("key, namespace, scope: at most 1000 bytes in all are allowed")
    comma = BadRequest("key: a comma is not part of it: events have key, namespace and scope separated by commas")

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
        description="An empty namespace or scope means: not set. The task's template needs a `requestPolicy`.",
        parameters=(IF_MATCH, IF_NONE_MATCH),
        body=Body(shape=EventTaskSchema, examples={"an entry": event_task}),
        answers={200: stored("It has replaced another one."), 201: stored("It is new.")},
        errors=(comma, too_long, *PUT_ERRORS),
    )
    yield Operation(
        method="DELETE",
        path="/v1/eventTasks",
        id="deleteEventTask",
        tag=EVENT_TASKS,
        summary="Delete an event task",
        description="That of this key, namespace and scope; which task it makes does not matter.",
        parameters=(IF_MATCH,),
        body=Body(shape=EventTaskIdentity, examples={"an entry": entry}),
        answers={204: Success(description="It is gone.")},
        errors=(comma, too_long, *PAYLOAD_ERRORS, NotFound("event task not found"), *DELETE_ERRORS),
    )
