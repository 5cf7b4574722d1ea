"""Models of the bodies that the API answers with. The code writes them as JSON text; only the document needs models."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from task_service.domain.history import MOST
from task_service.domain.task import State
from task_service.schemas.event_task import EventTaskSchema
from task_service.schemas.policy import PolicySchema
from task_service.schemas.template import TaskListTemplateSchema, TaskTemplateSchema

_UNSET: Final = datetime.min.replace(tzinfo=UTC)
"""Of a member that may be missing; the document shows no defaults."""

Next = Annotated[str | None, Field(description="`next` of the next page; null on the last one.")]


class Answer(BaseModel):
    """A body with exactly these members."""

    model_config = ConfigDict(extra="forbid")


class TaskCreated(Answer):
    """The id of a new task."""

    taskID: Annotated[str, Field(description="Opaque; a UUID at present.")]


class TaskListCreated(Answer):
    """The id of a new task list."""

    taskListID: Annotated[str, Field(description="Opaque; a UUID at present.")]


class TasksCreated(RootModel[list[TaskCreated]]):
    """The ids of new tasks, in the order of the request."""


TraceId = Annotated[
    str, Field(pattern="^[0-9a-f]{32}$", description="The trace that it belongs to; missing if it belongs to none.")
]
CreatedBy = Annotated[str, Field(description="`sub` of the caller who created it; missing if it is not known.")]
CancelledBy = Annotated[str, Field(description="The same of the caller who cancelled it.")]
ReplayedBy = Annotated[str, Field(description="The same of the caller who asked for its last replay.")]


class TaskItem(Answer):
    """A task."""

    id: str
    name: Annotated[str, Field(description="The name of its template.")]
    status: State
    attempts: Annotated[int, Field(ge=0, description="The number of attempts that have started.")]
    responseCode: Annotated[int | None, Field(description="HTTP status of the target's last answer.")]
    createdAt: datetime
    startedAt: Annotated[datetime | None, Field(description="When the first attempt started.")]
    finishedAt: datetime | None
    error: Annotated[str | None, Field(description="Why the last attempt failed, or that it was cancelled.")]
    notBefore: Annotated[
        datetime, Field(description="When the next attempt is due; missing where none waits for its time.")
    ] = _UNSET
    redirects: Annotated[
        int, Field(ge=1, description="How many redirects the last attempt followed; missing where there were none.")
    ] = 1
    finalOrigin: Annotated[str, Field(description="Scheme, host and port that they led to; missing with them.")] = ""
    traceId: TraceId = ""
    createdBy: CreatedBy = ""
    cancelledBy: CancelledBy = ""
    replayedBy: ReplayedBy = ""


class PastAttempt(Answer):
    """An attempt that has ended."""

    attempt: Annotated[int, Field(ge=1, description="Its number; a replay counts anew.")]
    startedAt: datetime | None
    finishedAt: Annotated[datetime | None, Field(description="Null if its executor has crashed.")]
    responseCode: Annotated[int | None, Field(description="HTTP status of the target's answer, if there was one.")]
    error: Annotated[str | None, Field(description="Why it failed, in 200 characters; null if it went well.")]


class TaskStatus(TaskItem):
    """The status of a task."""

    history: Annotated[list[PastAttempt], Field(max_length=MOST, description="The last attempts, the oldest first.")]


class ListedTask(Answer):
    """A task of a list."""

    id: Annotated[str, Field(description="Its status and result are read like those of any other task.")]
    name: Annotated[str, Field(description="The name of its template; missing in a status of several megabytes.")] = ""
    status: State


class GroupStatus(Answer):
    """The status of a group of a list."""

    id: str
    status: State
    tasks: Annotated[list[ListedTask], Field(description="In the template's order; missing if there are none.")] = []
    result: Annotated[Any, Field(description="The output of the group's finalPolicy; missing if there is none.")] = None
    error: Annotated[str, Field(description="Why the group's finalPolicy failed; missing if it did not.")] = ""


class TaskListStatus(Answer):
    """The status of a task list, group by group."""

    id: str
    name: Annotated[
        str, Field(description="The name of its template; missing, as are the times, where tasks' are.")
    ] = ""
    status: State
    createdAt: datetime = _UNSET
    finishedAt: datetime | None = None
    notBefore: Annotated[datetime, Field(description="When it is due; missing once it has started.")] = _UNSET
    groups: list[GroupStatus]
    traceId: TraceId = ""
    createdBy: CreatedBy = ""
    cancelledBy: CancelledBy = ""
    replayedBy: ReplayedBy = ""


class TaskListItem(Answer):
    """A task list, without its groups."""

    id: str
    name: Annotated[str, Field(description="The name of its template.")]
    status: State
    createdAt: datetime
    finishedAt: datetime | None
    traceId: TraceId = ""
    createdBy: CreatedBy = ""
    cancelledBy: CancelledBy = ""
    replayedBy: ReplayedBy = ""


class TaskOrList(RootModel[TaskStatus | TaskListItem]):
    """A task or a task list."""


class ReplayedItem(RootModel[TaskItem | TaskListItem]):
    """A task or a task list, of many."""


def _page(name: str, item: type[BaseModel], description: str) -> type[Answer]:
    """The model of a page of these items."""
    return create_model(name, __base__=Answer, __doc__=description, items=(list[item], ...), next=(Next, ...))  # type: ignore[valid-type]


TaskPage: Final = _page("TaskPage", TaskItem, "Tasks, the newest first.")
TaskListPage: Final = _page("TaskListPage", TaskListItem, "Task lists, the newest first.")
TaskTemplatePage: Final = _page("TaskTemplatePage", TaskTemplateSchema, "Task templates by name.")
TaskListTemplatePage: Final = _page("TaskListTemplatePage", TaskListTemplateSchema, "Task list templates by name.")
PolicyPage: Final = _page("PolicyPage", PolicySchema, "Policies by name.")
EventTaskPage: Final = _page("EventTaskPage", EventTaskSchema, "Event tasks by key, namespace and scope.")


class SkippedReplay(Answer):
    """A task or a list that was found as failed, and could not be replayed."""

    id: str
    reason: str


class Replayed(Answer):
    """The result of replaying a page of failed tasks or lists."""

    items: Annotated[list[ReplayedItem], Field(description="Those that start again.")]
    skipped: list[SkippedReplay]
    next: Next


class Health(Answer):
    """A service that is up."""

    service: Literal["task"]
    status: Literal["up"]
    version: str


class Problem(Answer):
    """An error: the members of the first generation of this service, and those of RFC 9457."""

    id: Annotated[
        str, Field(description="In the log it is `error_id`. If API Gateway refuses a request, the id of the request.")
    ]
    kind: Annotated[Literal[0, 1, 5, 7], Field(description="1 bad request, 5 not found, 7 internal, 0 other.")]
    message: str
    type: Literal["about:blank"]
    title: Annotated[str, Field(description="The name of the HTTP status.")]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str


class TasksCreatedOrNot(RootModel[list[TaskCreated | Problem]]):
    """The ids of new tasks, and errors in the places of those that were not created."""
