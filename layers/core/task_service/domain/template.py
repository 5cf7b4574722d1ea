"""Task templates: what a named task does."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

CACHE_NAME_RULE: Final = "Unicode text without control characters, and without spaces or tabs at its ends, is allowed"
"""For the namespaces and scopes of the cache service, which travel in headers (RFC 9110, 5.5)."""

_NOT_IN_A_CACHE_NAME: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]|\A[ \t]|[ \t]\Z")


class TemplateKind(StrEnum):
    """The kinds of templates, as messages to clients name them."""

    TASK = "task template"
    TASK_LIST = "taskList template"
    POLICY = "policy"
    EVENT_TASK = "event task"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often and how soon a failed attempt is repeated; None: as the deployment is set."""

    max_attempts: int | None = None
    min_delay: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskTemplate:
    """What a task of this name does: an HTTP call or a request policy, then response and final policy."""

    name: str
    document: str = field(default="", repr=False, compare=False)
    """Its JSON text, as it is stored."""
    url: str = ""
    method: str = ""
    request_policy: str = ""
    response_policy: str = ""
    final_policy: str = ""
    cache_namespace: str = ""
    cache_scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = timedelta(seconds=30)
    """The total budget of one attempt: connecting, every redirect, reading the answer."""
    retry: RetryPolicy = RetryPolicy()
    accept_status: tuple[str, ...] = ()
    """Statuses that finish the task: "204", "2xx", "*"; empty: all but 408, 425, 429 and 5xx."""

    @classmethod
    @lru_cache(maxsize=256)
    def from_text(cls, text: str) -> "TaskTemplate":
        """The template of a stored JSON document, whose members are named as in the API."""
        document: Mapping[str, Any] = json.loads(text)
        retry = document.get("retry") or {}
        default = RetryPolicy()
        return cls(
            name=document["name"],
            document=text,
            url=document.get("url", ""),
            method=document.get("method", ""),
            request_policy=document.get("requestPolicy", ""),
            response_policy=document.get("responsePolicy", ""),
            final_policy=document.get("finalPolicy", ""),
            cache_namespace=document.get("cacheNamespace", ""),
            cache_scope=document.get("cacheScope", ""),
            headers=document.get("headers") or {},
            timeout=timedelta(seconds=document.get("timeoutSeconds", 30)),
            retry=RetryPolicy(
                max_attempts=retry.get("maxAttempts"),
                min_delay=_seconds(retry.get("minDelaySeconds"), default.min_delay),
                max_delay=_seconds(retry.get("maxDelaySeconds"), default.max_delay),
            ),
            accept_status=tuple(str(status) for status in document.get("acceptStatus") or ()),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTemplate:
    """A template as the table has it: its JSON document, and the tag of this version."""

    name: str
    document: str
    """JSON text, members named as in the API, unset ones left out."""
    etag: str
    """A strong tag of the content: equal documents have equal tags."""

    @classmethod
    def of(cls, name: str, members: Mapping[str, Any]) -> "StoredTemplate":
        """The template with these members."""
        document = document_text(members)
        return cls(name=name, document=document, etag=hashlib.sha256(document.encode()).hexdigest()[:32])


def document_text(members: Mapping[str, Any]) -> str:
    """The JSON text in which a template or a policy is stored."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def is_cache_name(text: str) -> bool:
    """Whether `text` can be a namespace or scope of the cache service, which travel in headers."""
    return _NOT_IN_A_CACHE_NAME.search(text) is None


def _seconds(value: float | None, default: timedelta) -> timedelta:
    return default if value is None else timedelta(seconds=value)
