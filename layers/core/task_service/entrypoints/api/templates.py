"""The routes of templates and policies: every kind is written, read, listed and deleted alike.

Event tasks are templates too; the body names them, not the path.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from task_service.domain.errors import BadRequest
from task_service.domain.paging import encode_cursor
from task_service.domain.template import StoredTemplate, TemplateKind
from task_service.entrypoints.api import conditions
from task_service.entrypoints.api.parameters import page_request
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services
    from task_service.ports import Page
    from task_service.usecases.edit_templates import TemplateEditor

REVALIDATE: Final = "no-cache"
"""A client may keep a template, and asks with If-None-Match before it uses it again (RFC 9111, 5.2.2.4)."""

HIDDEN: Final = "***"
"""Stands for the value of a header that only administrators read."""

_SAFE: Final = " !#$&'()*+,/:;=?@[]|"
"""Characters of a caller's name that stand in a header as they are; others are percent-encoded UTF-8."""


def list_templates(request: Request, services: "Services") -> Response:
    """Answer with a page of templates."""
    page = _editor(request, services).page(page_request(request))
    return _page(request.resource, page, shown=_shown(request, services))


def read_template(request: Request, services: "Services") -> Response:
    """Answer with a template, or with 304 if the client has this version already."""
    stored = _editor(request, services).get(template_name(request))
    headers = {"ETag": f'"{stored.etag}"', "Cache-Control": REVALIDATE, "Vary": "Authorization"}
    if stored.changed_by is not None:
        headers["x-changed-by"] = quote(stored.changed_by, safe=_SAFE)
    if conditions.is_known(request, stored.etag):
        return Response(status=304, headers=headers)
    return Response.json(_shown(request, services)(stored.document), headers=headers)


def write_template(request: Request, services: "Services") -> Response:
    """Write a template, and answer with it."""
    editor = _editor(request, services)
    stored, is_new = editor.put(
        template_name(request),
        request.payload(),
        if_match=conditions.if_match(request),
        if_new=conditions.if_new(request),
        by=request.caller_name,
    )
    return _written(editor.noun, stored, is_new=is_new)


def delete_template(request: Request, services: "Services") -> Response:
    """Delete a template."""
    editor, name = _editor(request, services), template_name(request)
    editor.delete(name, if_match=conditions.if_match(request))
    return _deleted(editor.noun, name)


def list_event_tasks(request: Request, services: "Services") -> Response:
    """Answer with a page of event tasks."""
    return _page(request.resource, services.event_tasks.templates.page(page_request(request)))


def write_event_task(request: Request, services: "Services") -> Response:
    """Write an event task, and answer with it."""
    stored, is_new = services.event_tasks.put(
        request.payload(),
        if_match=conditions.if_match(request),
        if_new=conditions.if_new(request),
        by=request.caller_name,
    )
    return _written(TemplateKind.EVENT_TASK, stored, is_new=is_new)


def delete_event_task(request: Request, services: "Services") -> Response:
    """Delete an event task."""
    name = services.event_tasks.delete(request.payload(), if_match=conditions.if_match(request))
    return _deleted(TemplateKind.EVENT_TASK, name)


def _shown(request: Request, services: "Services") -> Callable[[str], str]:
    """How a template's document is shown to the caller: secrets are for those who may change templates."""
    authorizer = services.authorizer
    if authorizer is None or request.caller is None or authorizer.is_admin(request.caller):
        return str
    return without_secrets


def without_secrets(document: str) -> str:
    """A template's document with its headers' names, and without their values."""
    members = json.loads(document)
    if not members.get("headers"):
        return document
    members["headers"] = dict.fromkeys(members["headers"], HIDDEN)
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


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


def _written(noun: str, stored: StoredTemplate, *, is_new: bool) -> Response:
    """The response with a template that was written."""
    response = Response.json(stored.document, status=201 if is_new else 200, headers={"ETag": f'"{stored.etag}"'})
    about = {"kind": noun, "template": stored.name, "etag": stored.etag}
    return response.adding(log_fields=about, audit="created" if is_new else "changed")


def _deleted(noun: str, name: str) -> Response:
    """The response about a template that was deleted."""
    return Response(status=204, log_fields={"kind": noun, "template": name}, audit="deleted")


def _page(collection: str, page: "Page", *, shown: Callable[[str], str] = str) -> Response:
    """The response with a page of templates, whose documents are JSON texts already."""
    items = ",".join(shown(template.document) for template in page.items)
    following = json.dumps(None if page.next is None else encode_cursor(collection, page.next))
    return Response.json(f'{{"items":[{items}],"next":{following}}}')
