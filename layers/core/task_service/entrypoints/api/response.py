"""A response of the API, and how API Gateway is told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

UNSURE: Final = "unsure"
"""The audit of a request that was to change something, and may have done it although it is answered with a 5xx."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """A response, with what the log and the metrics say about it."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    log_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the request's log line has beside those of every request."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Metrics that count up, by name."""
    audit: str | None = None
    """The change that the request has made, or may have made: then its log line is the audit line."""

    @classmethod
    def json(
        cls, body: str | dict[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Response":
        """A response with this JSON text, or with that of an object with these members."""
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return cls(status=status, body=text, headers={"Content-Type": "application/json", **(headers or {})})

    def adding(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        log_fields: Mapping[str, Any] | None = None,
        counts: Mapping[str, int] | None = None,
        audit: str | None = None,
    ) -> "Response":
        """The same response with more of these."""
        return replace(
            self,
            headers={**self.headers, **(headers or {})},
            log_fields={**self.log_fields, **(log_fields or {})},
            counts={**self.counts, **(counts or {})},
            audit=audit or self.audit,
        )

    def with_defaults(self, headers: Mapping[str, str]) -> "Response":
        """The same response with those of these headers that it has not."""
        return replace(self, headers={**headers, **self.headers})

    def to_gateway(self, *, is_http_api: bool = False) -> dict[str, Any]:
        """API Gateway's response of a proxy integration, for a REST API (payload format 1.0) or an HTTP API (2.0)."""
        headers: dict[str, Any] = (
            {"headers": dict(self.headers)}
            if is_http_api
            else {"multiValueHeaders": {name: [value] for name, value in self.headers.items()}}
        )
        return {"statusCode": self.status, **headers, "body": self.body, "isBase64Encoded": False}
