"""Bodies of requests that differ from the schemas: members that the path names too may be left out."""

from typing import Annotated

from pydantic import Field

from task_service.schemas.policy import PolicySchema
from task_service.schemas.template import TaskListTemplateSchema, TaskTemplateSchema

InPath = Annotated[str, Field(min_length=1, description="May be left out; otherwise the same as in the path.")]


class TaskTemplateBody(TaskTemplateSchema):
    """A task template to write, with either `requestPolicy`, or both `url` and `method`."""

    name: InPath = ""


class TaskListTemplateBody(TaskListTemplateSchema):
    """A task list template to write, with at least one task in all its groups."""

    name: InPath = ""


class PolicyBody(PolicySchema):
    """A policy to write."""

    repository: InPath = ""
    group: InPath = ""
    name: InPath = ""
    version: InPath = ""
