"""Swagger UI and the document that it shows, as files under /swagger-ui/.

Swagger UI itself comes with Powertools; the page loads nothing from other sites. Every address in the page is relative,
so that it works under a stage, under the base path of a custom domain, and at the root.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from task_service.domain.errors import MethodNotAllowed, NotFound
from task_service.entrypoints.api.problem import response_or_problem
from task_service.entrypoints.api.request import GatewayEvent, Request
from task_service.entrypoints.api.response import Response

log: Final = logging.getLogger("task")

PAGE: Final = Path(__file__).with_name("page")

_SECURITY: Final = {
    # Swagger UI sets styles of its elements, and its style sheet contains its images.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ASK_EACH_TIME: Final = "no-cache"
_ASK_ONCE_A_DAY: Final = "public, max-age=86400"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of the site."""

    content_type: str
    cache_control: str
    content: Callable[[], "Content"]
    """Makes or reads the content when the first request asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The content of a file."""

    text: str
    tag: str
    """Its ETag."""

    @classmethod
    def of(cls, text: str) -> "Content":
        """The content with its tag."""
        return cls(text=text, tag=f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"')


class Site:
    """The files under /swagger-ui/."""

    def __init__(self, document: Callable[[], Mapping[str, Any]]) -> None:
        self._files = {
            "": _ours("index.html", "text/html; charset=utf-8"),
            "initializer.js": _ours("initializer.js", "text/javascript; charset=utf-8"),
            "swagger-ui-bundle.js": _library_file("swagger-ui-bundle.min.js", "text/javascript; charset=utf-8"),
            "swagger-ui.css": _library_file("swagger-ui.min.css", "text/css; charset=utf-8"),
            "openapi.json": _file("application/json", _ASK_EACH_TIME, lambda: json.dumps(document())),
        }

    def resolve(self, event: GatewayEvent, context: Any) -> dict[str, Any]:
        """Answer the event of a gateway; writes one log line."""
        request = Request.from_event(event, context)
        response = response_or_problem(lambda: self._respond(request)).adding(headers=_SECURITY)
        fields = {"action": "answer", "method": request.method, "route": request.resource, "status": response.status}
        log.info("answered", extra=fields)
        return response.to_gateway(is_http_api=request.is_http_api)

    def _respond(self, request: Request) -> Response:
        """The response with a file. Raises NotFound, MethodNotAllowed."""
        name = request.segments.get("proxy") or ""
        # API Gateway matches a path with a slash at its end like the one without.
        is_folder = request.path.endswith("/")
        file = self._files.get(name)
        if file is None or (name and is_folder):
            raise NotFound
        if request.method != "GET":
            raise MethodNotAllowed(headers={"Allow": "GET"})
        if not name and not is_folder:
            # The relative addresses in the page need the slash.
            return Response(status=308, headers={"Location": "swagger-ui/"})
        content = file.content()
        headers = {"ETag": content.tag, "Cache-Control": file.cache_control}
        if content.tag in _tags(request.header("If-None-Match")):
            return Response(status=304, headers=headers)
        return Response(status=200, body=content.text, headers={"Content-Type": file.content_type, **headers})


def _file(content_type: str, cache_control: str, read: Callable[[], str]) -> File:
    return File(content_type=content_type, cache_control=cache_control, content=cache(lambda: Content.of(read())))


def _ours(name: str, content_type: str) -> File:
    return _file(content_type, _ASK_EACH_TIME, lambda: _text(PAGE / name))


def _library_file(name: str, content_type: str) -> File:
    return _file(content_type, _ASK_ONCE_A_DAY, lambda: _text(_library() / name))


def _library() -> Path:
    """The folder of Swagger UI, found without importing Powertools."""
    package = find_spec("aws_lambda_powertools")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("aws_lambda_powertools")
    return Path(package.origin).parent / "event_handler" / "openapi" / "swagger_ui"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _tags(header: str | None) -> set[str]:
    """The tags of an If-None-Match header, compared weakly (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
