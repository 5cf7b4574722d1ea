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
    """What an idempotency key was used for."""

    key_hash: str
    id: str
    """Of the task or the list that it stands for."""
    fingerprint: str
    """Of the request that it came with."""
    expires_at: datetime
    """When it may be used for something else."""


def key_hash(header: str, caller: Caller | None) -> str:
    """What the key in a header is kept under: nobody meets the keys of other callers. Raises BadRequest."""
    key = parse_key(header)
    if caller is None:
        return _digest(key)
    if caller.subject is None:
        raise BadRequest(f"{HEADER}: the token has no claim sub, which says whose key it is")
    return _digest(key, caller.subject)


def parse_key(header: str) -> str:
    """The key in a header: a quoted string or the bare text, which are the same key. Raises BadRequest."""
    text = header.strip(" \t")
    if text.startswith('"'):
        string = _STRING.fullmatch(text)
        text = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    if not _KEY.fullmatch(text):
        raise BadRequest(
            f"{HEADER}: one key of 1 to 255 visible ASCII characters is expected, with or without quotes around it"
        )
    return text


def fingerprint(resource: str, name: str, payload: str, cache_namespace: str, cache_scope: str) -> str:
    """What tells a request from others, byte for byte."""
    return _digest(resource, name, payload, cache_namespace, cache_scope)


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        # With its length in front, so that a part cannot be mistaken for two.
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
