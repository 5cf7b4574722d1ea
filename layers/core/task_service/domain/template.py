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

_LONGEST_CACHE_NAME: Final = 4_000

CACHE_NAME_RULE: Final = (
    "Unicode text without control characters, and without spaces or tabs at its ends, is allowed, "
    f"at most {_LONGEST_CACHE_NAME} characters"
)
"""For the namespaces and scopes of the cache service, which travel in headers (RFC 9110, 5.5) and in messages."""

_MIN_DELAY: Final = timedelta(seconds=1)
_MAX_DELAY: Final = timedelta(minutes=5)

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
    min_delay: timedelta = _MIN_DELAY
    max_delay: timedelta = _MAX_DELAY

    @classmethod
    def of(cls, max_attempts: int | None, min_seconds: float | None, max_seconds: float | None) -> "RetryPolicy":
        """The policy of a template's members; None: not set.

        A largest delay that is not set is at least twice the smallest, so that the retries of many tasks spread.
        """
        least = _MIN_DELAY if min_seconds is None else timedelta(seconds=min_seconds)
        most = max(_MAX_DELAY, 2 * least) if max_seconds is None else timedelta(seconds=max_seconds)
        return cls(max_attempts=max_attempts, min_delay=least, max_delay=most)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskTemplate:
    """The work of a task of this name: an HTTP call or a request policy, then response and final policy."""

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
    redirects: bool = True
    """Whether redirects are followed; if not, one that comes is the answer."""
    failure_task: str = ""
    """Name of the task template that is told of a task that has failed for good."""

    @classmethod
    @lru_cache(maxsize=256)
    def from_text(cls, text: str) -> "TaskTemplate":
        """The template of a stored JSON document, whose members are named as in the API."""
        document: Mapping[str, Any] = json.loads(text)
        retry = document.get("retry") or {}
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
            retry=RetryPolicy.of(retry.get("maxAttempts"), retry.get("minDelaySeconds"), retry.get("maxDelaySeconds")),
            accept_status=tuple(str(status) for status in document.get("acceptStatus") or ()),
            redirects=document.get("redirects", True),
            failure_task=document.get("failureTask", ""),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTemplate:
    """A template as the table has it: its JSON document, and the tag of this version."""

    name: str
    document: str
    """JSON text, members named as in the API, unset ones left out."""
    etag: str
    """A strong tag of the content: equal documents have equal tags."""
    changed_by: str | None = None
    """Name of the caller who has written it; None: it is not known."""

    @classmethod
    def of(cls, name: str, members: Mapping[str, Any], *, changed_by: str | None = None) -> "StoredTemplate":
        """The template with these members."""
        document = document_text(members)
        etag = hashlib.sha256(document.encode()).hexdigest()[:32]
        return cls(name=name, document=document, etag=etag, changed_by=changed_by)


def document_text(members: Mapping[str, Any]) -> str:
    """The JSON text in which a template or a policy is stored."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def is_cache_name(text: str) -> bool:
    """Whether `text` can be a namespace or scope of the cache service, which travel in headers."""
    return len(text) <= _LONGEST_CACHE_NAME and _NOT_IN_A_CACHE_NAME.search(text) is None
