"""What the API answers, as models: the code writes these bodies as JSON text, and only the document needs a shape."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from task_service.domain.task import State
from task_service.schemas.event_task import EventTaskSchema
from task_service.schemas.policy import PolicySchema
from task_service.schemas.template import TaskListTemplateSchema, TaskTemplateSchema

Next = Annotated[str | None, Field(description="`next` of the next page; null on the last one.")]


class Answer(BaseModel):
    """A body with these members and no others."""

    model_config = ConfigDict(extra="forbid")


class TaskCreated(Answer):
    """A task that is durable, and will run."""

    taskID: Annotated[str, Field(description="Opaque; a UUID at present.")]


class TaskListCreated(Answer):
    """A task list that is durable, and will run."""

    taskListID: Annotated[str, Field(description="Opaque; a UUID at present.")]


class TaskStatus(Answer):
    """Where a task stands."""

    id: str
    name: Annotated[str, Field(description="Of its template.")]
    status: State
    attempts: Annotated[int, Field(ge=0, description="How many have started.")]
    responseCode: Annotated[int | None, Field(description="HTTP status of the target's last answer.")]
    createdAt: datetime
    startedAt: Annotated[datetime | None, Field(description="When the first attempt started.")]
    finishedAt: datetime | None
    error: Annotated[str | None, Field(description="Why the last attempt failed, or that it was cancelled.")]
    redirects: Annotated[
        int, Field(ge=1, description="How many redirects the last attempt followed; missing where there were none.")
    ] = 1
    finalOrigin: Annotated[str, Field(description="Scheme, host and port that they led to; missing with them.")] = ""


class ListedTask(Answer):
    """A task of a list."""

    id: Annotated[str, Field(description="Read like any other task's.")]
    status: State


class GroupStatus(Answer):
    """Where a group of a list stands."""

    id: str
    status: State
    tasks: Annotated[list[ListedTask], Field(description="In the template's order; missing where there are none.")] = []
    result: Annotated[Any, Field(description="What the group's finalPolicy gave; missing where there is none.")] = None
    error: Annotated[str, Field(description="Why the group's finalPolicy failed; missing where it did not.")] = ""


class TaskListStatus(Answer):
    """Where a task list stands, group by group."""

    id: str
    status: State
    groups: list[GroupStatus]


class TaskListItem(Answer):
    """A task list, without its groups."""

    id: str
    name: Annotated[str, Field(description="Of its template.")]
    status: State
    createdAt: datetime
    finishedAt: datetime | None


class TaskOrList(RootModel[TaskStatus | TaskListItem]):
    """A task, or a task list where the id is one's."""


class TaskPage(Answer):
    """Tasks, the newest first."""

    items: list[TaskStatus]
    next: Next


class TaskListPage(Answer):
    """Task lists, the newest first."""

    items: list[TaskListItem]
    next: Next


class SkippedReplay(Answer):
    """What was found and not replayed."""

    id: str
    reason: str


class Replayed(Answer):
    """What was replayed of a page of what was found."""

    items: list[TaskOrList]
    skipped: list[SkippedReplay]
    next: Next


class TaskTemplatePage(Answer):
    """Task templates by name."""

    items: list[TaskTemplateSchema]
    next: Next


class TaskListTemplatePage(Answer):
    """Task list templates by name."""

    items: list[TaskListTemplateSchema]
    next: Next


class PolicyPage(Answer):
    """Policies by name."""

    items: list[PolicySchema]
    next: Next


class EventTaskPage(Answer):
    """Event tasks by key, namespace and scope."""

    items: list[EventTaskSchema]
    next: Next


class Health(Answer):
    """A service that is up."""

    service: Literal["task"]
    status: Literal["up"]
    version: str


class Problem(Answer):
    """An error: the members of the service's first generation, and those of RFC 9457."""

    id: Annotated[str, Field(description="Also in the log, as `error_id`; of API Gateway's own errors the request's.")]
    kind: Annotated[Literal[0, 1, 5, 7], Field(description="1 bad request, 5 not found, 7 internal, 0 other.")]
    message: str
    type: Literal["about:blank"]
    title: Annotated[str, Field(description="The name of the HTTP status.")]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
