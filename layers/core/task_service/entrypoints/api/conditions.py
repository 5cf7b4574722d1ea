"""Conditions of requests that write (RFC 9110, 13.1): If-Match and If-None-Match."""

from task_service.domain.errors import BadRequest
from task_service.entrypoints.api.request import Request


def if_match(request: Request) -> str | None:
    """The tag in If-Match, or "*"; None if it is not sent. Raises BadRequest."""
    header = request.header("If-Match")
    if header is None or header.strip() == "*":
        return header and "*"
    tag = header.strip()
    if len(tag) < 2 or not (tag.startswith('"') and tag.endswith('"')) or "," in tag:
        raise BadRequest("If-Match: one tag in double quotes, as in ETag, or * is allowed")
    return tag[1:-1]


def if_new(request: Request) -> bool:
    """Whether If-None-Match asks for writing a new template only. Raises BadRequest."""
    header = request.header("If-None-Match")
    if header not in (None, "*"):
        raise BadRequest("If-None-Match: only * is supported, for writing a new template")
    return header == "*"
