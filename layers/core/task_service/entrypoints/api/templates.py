"""The routes of templates and policies: every kind is written, read, listed and deleted alike."""

import json
from typing import TYPE_CHECKING

from task_service.domain.errors import BadRequest
from task_service.domain.paging import encode_cursor
from task_service.domain.template import StoredTemplate
from task_service.entrypoints.api import conditions
from task_service.entrypoints.api.parameters import page_request
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services
    from task_service.ports import Page
    from task_service.usecases.edit_templates import TemplateEditor


def list_templates(request: Request, services: "Services") -> Response:
    """Answer with a page of templates."""
    return page_response(_editor(request, services).page(page_request(request)))


def read_template(request: Request, services: "Services") -> Response:
    """Answer with a template."""
    stored = _editor(request, services).get(template_name(request))
    return Response.json(stored.document, headers={"ETag": f'"{stored.etag}"'})


def write_template(request: Request, services: "Services") -> Response:
    """Write a template, and answer with it."""
    stored, is_new = _editor(request, services).put(
        template_name(request),
        request.payload(),
        if_match=conditions.if_match(request),
        if_new=conditions.if_new(request),
    )
    return written_response(stored, is_new=is_new)


def delete_template(request: Request, services: "Services") -> Response:
    """Delete a template."""
    _editor(request, services).delete(template_name(request), if_match=conditions.if_match(request))
    return Response(status=204)


def _editor(request: Request, services: "Services") -> "TemplateEditor":
    """The editor of the kind that the resource names."""
    if request.resource.startswith("/v1/taskTemplates"):
        return services.task_templates
    if request.resource.startswith("/v1/taskListTemplates"):
        return services.list_templates
    return services.policies


def template_name(request: Request) -> str:
    """The name that the parts of the path make together. Raises BadRequest.

    Of several parts, none can be empty or hold a slash: two names would be the same.
    """
    parts = {name: request.segment(name) for name in request.segments}
    if len(parts) > 1:
        for name, part in parts.items():
            if not part.strip() or "/" in part:
                raise BadRequest(f"{name}: a name without slashes is expected in the path, not {part!r}")
    return "/".join(parts.values())


def written_response(stored: StoredTemplate, *, is_new: bool) -> Response:
    """The response with a template that was written."""
    return Response.json(stored.document, status=201 if is_new else 200, headers={"ETag": f'"{stored.etag}"'})


def page_response(page: "Page") -> Response:
    """The response with a page of templates, whose documents are JSON texts already."""
    items = ",".join(template.document for template in page.items)
    following = json.dumps(None if page.next is None else encode_cursor(page.next))
    return Response.json(f'{{"items":[{items}],"next":{following}}}')
