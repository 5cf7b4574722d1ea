"""Swagger UI and the document that it shows, as files under /swagger-ui/.

The Swagger UI itself comes with Powertools; no other site is asked for anything. Every address in the page is relative,
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

from task_service.domain.errors import MethodNotAllowed, NotFound, TaskServiceError
from task_service.entrypoints.api import problem, request

log: Final = logging.getLogger("task")

PAGE: Final = Path(__file__).with_name("page")

_SECURITY: Final = {
    # Swagger UI sets styles of its elements, and its images are within its style sheet.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ASK_EACH_TIME: Final = "no-cache"
_ASK_ONCE_A_DAY: Final = "public, max-age=86400"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """What is served under a name."""

    content_type: str
    cache_control: str
    content: Callable[[], "Content"]
    """Made or read when somebody first asks for it."""


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
    """The files under /swagger-ui/; answers API Gateway."""

    def __init__(self, document: Callable[[], Mapping[str, Any]]) -> None:
        self._files = {
            "": _ours("index.html", "text/html; charset=utf-8"),
            "initializer.js": _ours("initializer.js", "text/javascript; charset=utf-8"),
            "swagger-ui-bundle.js": _library_file("swagger-ui-bundle.min.js", "text/javascript; charset=utf-8"),
            "swagger-ui.css": _library_file("swagger-ui.min.css", "text/css; charset=utf-8"),
            "openapi.json": _file("application/json", _ASK_EACH_TIME, lambda: json.dumps(document())),
        }

    def resolve(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """API Gateway's response to its event; one log line for each."""
        try:
            status, headers, body = self._answer(event)
        except TaskServiceError as error:
            refusal = problem.response(error)
            status, headers, body = refusal.status_code, dict(refusal.headers), str(refusal.body)
        about = {"action": "answer", "method": event["httpMethod"], "route": event["resource"], "status": status}
        log.info("answered", extra=about)
        return {
            "statusCode": status,
            "multiValueHeaders": {name: [value] for name, value in (headers | _SECURITY).items()},
            "body": body,
            "isBase64Encoded": False,
        }

    def _answer(self, event: Mapping[str, Any]) -> tuple[int, dict[str, Any], str]:
        """Status, headers, body. Raises NotFound, MethodNotAllowed."""
        name = (event.get("pathParameters") or {}).get("proxy") or ""
        # API Gateway matches a path with a slash at its end like the one without.
        is_folder = str(event["path"]).endswith("/")
        file = self._files.get(name)
        if file is None or (name and is_folder):
            raise NotFound
        if event["httpMethod"] != "GET":
            raise MethodNotAllowed(headers={"Allow": "GET"})
        if not name and not is_folder:
            # Relative addresses in the page would lead elsewhere.
            return 308, {"Location": "swagger-ui/"}, ""
        content = file.content()
        headers = {"ETag": content.tag, "Cache-Control": file.cache_control}
        if content.tag in _tags(request.header(event, "If-None-Match")):
            return 304, headers, ""
        return 200, {"Content-Type": file.content_type, **headers}, content.text


def _file(content_type: str, cache_control: str, read: Callable[[], str]) -> File:
    return File(content_type=content_type, cache_control=cache_control, content=cache(lambda: Content.of(read())))


def _ours(name: str, content_type: str) -> File:
    return _file(content_type, _ASK_EACH_TIME, lambda: _text(PAGE / name))


def _library_file(name: str, content_type: str) -> File:
    return _file(content_type, _ASK_ONCE_A_DAY, lambda: _text(_library() / name))


def _library() -> Path:
    """The folder of Swagger UI, found without importing what is around it."""
    package = find_spec("aws_lambda_powertools")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("aws_lambda_powertools")
    return Path(package.origin).parent / "event_handler" / "openapi" / "swagger_ui"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _tags(header: str | None) -> set[str]:
    """The tags of an If-None-Match header, compared weakly (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
