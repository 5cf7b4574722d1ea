"""The routes of event tasks: templates that the body names, not the path."""

from typing import TYPE_CHECKING

from task_service.domain.template import TemplateKind
from task_service.entrypoints.api import conditions
from task_service.entrypoints.api.parameters import page_request
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from task_service.entrypoints.api.templates import deleted_response, page_response, written_response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services


def list_event_tasks(request: Request, services: "Services") -> Response:
    """Answer with a page of event tasks."""
    return page_response(request.resource, services.event_tasks.page(page_request(request)))


def write_event_task(request: Request, services: "Services") -> Response:
    """Write an event task, and answer with it."""
    stored, is_new = services.event_tasks.put(
        request.payload(),
        if_match=conditions.if_match(request),
        if_new=conditions.if_new(request),
        by=request.caller_name,
    )
    return written_response(TemplateKind.EVENT_TASK, stored, is_new=is_new)


def delete_event_task(request: Request, services: "Services") -> Response:
    """Delete an event task."""
    name = services.event_tasks.delete(request.payload(), if_match=conditions.if_match(request))
    return deleted_response(TemplateKind.EVENT_TASK, name)
