"""What clients write, where that is less than the code's models: what the path says already may be left out."""

from typing import Annotated

from pydantic import Field

from task_service.schemas.policy import PolicySchema
from task_service.schemas.template import TaskListTemplateSchema, TaskTemplateSchema

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
