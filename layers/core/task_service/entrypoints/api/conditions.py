"""Conditions of requests (RFC 9110, 13.1): If-Match and If-None-Match."""

import re
from typing import Final

from task_service.domain.errors import BadRequest
from task_service.entrypoints.api.request import Request

ANY: Final = "*"
"""Any version."""

_TAG: Final = r'(?:W/)?"[!\x23-\x7e\x80-\U0010ffff]*"'
"""An entity tag (RFC 9110, 8.8.3)."""
_ELEMENT: Final = rf"[ \t]*+(?:{_TAG}[ \t]*+)?+"
_TAGS: Final = re.compile(rf"{_ELEMENT}(?:,{_ELEMENT})*+")


def if_match(request: Request) -> tuple[str, ...] | None:
    """The versions that If-Match accepts, or ANY; None: it is not sent. Raises BadRequest.

    Tags are compared strongly, so a weak one accepts no version (RFC 9110, 13.1.1).
    """
    header = request.header("If-Match")
    if header is None:
        return None
    if header.strip() == ANY:
        return (ANY,)
    # Every tag of ours has digits and letters, so this one, which looks like ANY, matches nothing.
    return tuple(tag[1:-1] for tag in _tags("If-Match", header) if not tag.startswith("W/") and tag != f'"{ANY}"')


def if_new(request: Request) -> bool:
    """Whether If-None-Match asks for writing a new template only. Raises BadRequest."""
    header = request.header("If-None-Match")
    if header not in (None, ANY):
        raise BadRequest("If-None-Match: only * is supported, for writing a new template")
    return header == ANY


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match says that the client has this version (RFC 9110, 13.1.2). Raises BadRequest."""
    header = request.header("If-None-Match")
    if header is None:
        return False
    return header.strip() == ANY or any(tag.removeprefix("W/") == f'"{etag}"' for tag in _tags("If-None-Match", header))


def _tags(name: str, header: str) -> list[str]:
    tags: list[str] = re.findall(_TAG, header)
    if not tags or not _TAGS.fullmatch(header):
        raise BadRequest(f"{name}: tags in double quotes, as in ETag, separated by commas, or * are allowed")
    return tags
