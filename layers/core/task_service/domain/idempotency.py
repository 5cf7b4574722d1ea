"""Idempotency keys: the same key and the same request make the same thing once.

IETF draft-ietf-httpapi-idempotency-key-header; a key that comes with another request is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from task_service.domain.errors import BadRequest
from task_service.domain.identity import Caller

HEADER: Final = "Idempotency-Key"

_STRING: Final = re.compile(r'"((?:[^"\\]|\\["\\])*+)"')
"""A string as structured fields have it (RFC 9651, 3.3.3), which the draft asks for."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUse:
    """The task or list that was created with an idempotency key."""

    key_hash: str
    id: str
    """Id of the task or list."""
    fingerprint: str
    """Hash of the request that came with the key."""
    expires_at: datetime
    """When the key may be used for something else."""


def key_hash(header: str, caller: Caller | None, *, field: str = HEADER) -> str:
    """The hash under which the key in a header is kept: each caller has keys of its own. Raises BadRequest.

    `field` is where the client has written the key.
    """
    key = parse_key(header, field)
    if caller is None:
        return fingerprint(key)
    if caller.subject is None:
        raise BadRequest(f"{field}: the token has no claim sub, which says whose key it is")
    return fingerprint(key, caller.subject)


def parse_key(header: str, field: str = HEADER) -> str:
    """The key in a header: a quoted string or the bare text, which are the same key. Raises BadRequest."""
    text = header.strip(" \t")
    if text.startswith('"'):
        string = _STRING.fullmatch(text)
        text = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    if not _KEY.fullmatch(text):
        raise BadRequest(
            f"{field}: one key of 1 to 255 visible ASCII characters is expected, with or without quotes around it"
        )
    return text


def fingerprint(*parts: str) -> str:
    """A hash of these parts, byte for byte."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        # Each part has its length in front, so that one part cannot look like two.
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
