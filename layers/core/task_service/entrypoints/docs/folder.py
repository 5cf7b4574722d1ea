"""A folder of files that browsers load: what is asked for by name, with its tag, and nothing else.

Every address in the files is relative, so that they work under a stage, under the base path of a custom domain, and at
the root.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from task_service.domain.errors import MethodNotAllowed, NotFound
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response

ASK_EACH_TIME: Final = "no-cache"
ASK_ONCE_A_DAY: Final = "public, max-age=86400"

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, whose text is made or read when the first request asks for it."""

    kind: str
    """The ending of such a file's name."""
    make: Callable[[], str]
    cache_control: str = ASK_EACH_TIME

    @cached_property
    def text(self) -> str:
        """The content."""
        return self.make()

    @cached_property
    def tag(self) -> str:
        """Its ETag."""
        return f'"{hashlib.sha256(self.text.encode()).hexdigest()[:32]}"'


def files_in(folder: Path) -> dict[str, File]:
    """The files of a folder of ours; its index.html stands for the folder."""
    return {
        "" if path.name == "index.html" else path.name: File(
            kind=path.suffix, make=partial(path.read_text, encoding="utf-8")
        )
        for path in sorted(folder.iterdir())
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """The files under one part of the path."""

    name: str
    files: Mapping[str, File]
    policy: str
    """The Content-Security-Policy."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return {
            "Content-Security-Policy": self.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }

    def respond(self, request: Request) -> Response:
        """The response with a file. Raises NotFound, MethodNotAllowed."""
        name = request.segments.get("proxy") or ""
        # API Gateway matches a path with a slash at its end like the one without.
        is_folder = request.path.endswith("/")
        file = self.files.get(name)
        if file is None or (name and is_folder):
            raise NotFound
        if request.method != "GET":
            raise MethodNotAllowed(headers={"Allow": "GET"})
        if not name and not is_folder:
            # The relative addresses in the page need the slash.
            return Response(status=308, headers={"Location": f"{self.name}/"})
        headers = {"ETag": file.tag, "Cache-Control": file.cache_control}
        if file.tag in _tags(request.header("If-None-Match")):
            return Response(status=304, headers=headers)
        return Response(status=200, body=file.text, headers={"Content-Type": CONTENT_TYPES[file.kind], **headers})


def _tags(header: str | None) -> set[str]:
    """The tags of an If-None-Match header, compared weakly (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
