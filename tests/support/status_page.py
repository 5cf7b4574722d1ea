"""The status page of the code as it is, in front of an API whose answers a test makes up."""

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route

from task_service.entrypoints.docs.site import Site

ADDRESS: Final = "http://127.0.0.1:9/prefix/status/"
"""Where the page is; a route of the browser answers, no server does."""


class MadeUp:
    """Answers to all requests of a page: its own files, and those of an API that a test makes up."""

    def __init__(self, page: Page, answer: Callable[[Route], None]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        """The URL of each request to the API, and its token."""
        self.files: list[tuple[str, str | None]] = []
        """The same of the page's own files."""
        self.answer = answer
        self._site = Site(dict)
        page.route("**/*", self._handle)

    def _handle(self, route: Route) -> None:
        request = (route.request.url, route.request.headers.get("authorization"))
        path = urlsplit(route.request.url).path.removeprefix("/prefix")
        if path.startswith("/v1/"):
            self.asked.append(request)
            self.answer(route)
        else:
            self.files.append(request)
            self._answer_with_a_file(route, path)

    def _answer_with_a_file(self, route: Route, path: str) -> None:
        name = path.removeprefix("/status/")
        event = {
            "httpMethod": "GET",
            "path": path,
            "resource": "/status/{proxy+}" if name else "/status",
            "pathParameters": {"proxy": name} if name else None,
            "headers": {},
        }
        answer = self._site.resolve(event, None)
        headers = {name: value for name, [value] in answer["multiValueHeaders"].items()}
        route.fulfill(status=answer["statusCode"], body=answer["body"], headers=headers)


def says(status: int, body: Any, **headers: str) -> Callable[[Route], None]:
    """Answers with that."""
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda route: route.fulfill(
        status=status, body=text, headers={"Content-Type": "application/json", **headers}
    )


def problem(status: int, message: str) -> Callable[[Route], None]:
    """Answers as the API does when it refuses."""
    return says(status, {"id": "e-1", "kind": 0, "message": message, "status": status})
