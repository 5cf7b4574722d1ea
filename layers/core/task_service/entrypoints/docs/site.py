"""The pages that the docs function serves: Swagger UI with the document that it shows, and the status page.

Swagger UI itself comes with Powertools. Neither page loads anything from other sites.
"""

import json
import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from task_service.entrypoints.api.problem import response_or_problem
from task_service.entrypoints.api.request import GatewayEvent, Request
from task_service.entrypoints.docs.folder import ASK_ONCE_A_DAY, File, Folder, files_in

log: Final = logging.getLogger("task")

PAGE: Final = Path(__file__).with_name("page")
STATUS: Final = Path(__file__).with_name("status")

_NOWHERE_ELSE: Final = "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# Swagger UI sets styles of its elements, and its style sheet contains its images.
_POLICY_OF_SWAGGER_UI: Final = (
    f"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; {_NOWHERE_ELSE}"
)
# The status page shows what targets answer. Whatever that is, the browser takes none of it for markup or a script.
_POLICY_OF_STATUS: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    f"require-trusted-types-for 'script'; trusted-types 'none'; {_NOWHERE_ELSE}"
)


class Site:
    """The files under /swagger-ui/ and /status/."""

    def __init__(self, document: Callable[[], Mapping[str, Any]]) -> None:
        swagger_ui = {
            **files_in(PAGE),
            "swagger-ui-bundle.js": _library_file("swagger-ui-bundle.min.js", ".js"),
            "swagger-ui.css": _library_file("swagger-ui.min.css", ".css"),
            "openapi.json": File(kind=".json", make=lambda: json.dumps(document())),
        }
        self._swagger_ui = Folder(name="swagger-ui", files=swagger_ui, policy=_POLICY_OF_SWAGGER_UI)
        self._status = Folder(name="status", files=files_in(STATUS), policy=_POLICY_OF_STATUS)

    def resolve(self, event: GatewayEvent, context: Any) -> dict[str, Any]:
        """Answer the event of a gateway; writes one log line."""
        request = Request.from_event(event, context)
        folder = self._status if request.resource.startswith("/status") else self._swagger_ui
        response = response_or_problem(lambda: folder.respond(request)).adding(headers=folder.headers)
        fields = {"action": "answer", "method": request.method, "route": request.resource, "status": response.status}
        log.info("answered", extra=fields)
        return response.to_gateway(is_http_api=request.is_http_api)


def _library_file(name: str, kind: str) -> File:
    return File(kind=kind, make=lambda: (_library() / name).read_text(encoding="utf-8"), cache_control=ASK_ONCE_A_DAY)


def _library() -> Path:
    """The folder of Swagger UI, found without importing Powertools."""
    package = find_spec("aws_lambda_powertools")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("aws_lambda_powertools")
    return Path(package.origin).parent / "event_handler" / "openapi" / "swagger_ui"
