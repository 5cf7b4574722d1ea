"""What clients write, where that is less than the code's models: what the path says already may be left out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from task_service.policy_schema import PolicySchema
from task_service.template_schema import TaskListTemplateSchema, TaskTemplateSchema
from task_service.usecases.edit_templates import DEFAULT_LIMIT, MAX_LIMIT

InPath = Annotated[str, Field(min_length=1, description="May be left out; if not, it is that of the path.")]


class TaskTemplateBody(TaskTemplateSchema):
    """A task template as it is written: either `requestPolicy`, or both `url` and `method`."""

    name: InPath = ""


class TaskListTemplateBody(TaskListTemplateSchema):
    """A task list template as it is written: groups of tasks, at least one task in all."""

    name: InPath = ""


class PolicyBody(PolicySchema):
    """A policy as it is written."""

    repository: InPath = ""
    group: InPath = ""
    name: InPath = ""
    version: InPath = ""


class ReplayBody(BaseModel):
    """Which failed tasks or lists are replayed: at least one of `name`, `since` and `until` is needed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"anyOf": [{"required": [member]} for member in ("name", "since", "until")]},
    )

    resource: Literal["tasks", "taskLists"] = "tasks"
    name: Annotated[str, Field(min_length=1, description="Of the template.")] = ""
    since: Annotated[str, Field(description="Created then or later.", json_schema_extra={"format": "date-time"})] = ""
    until: Annotated[str, Field(description="Created before.", json_schema_extra={"format": "date-time"})] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description=f"{DEFAULT_LIMIT} unless set.")] = DEFAULT_LIMIT
    next: Annotated[str, Field(description="`next` of the answer before.")] = ""
