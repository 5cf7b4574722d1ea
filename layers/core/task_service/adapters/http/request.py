"""A request as it goes out (RFC 9112, 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from task_service.domain.url import Url

_BODY_EXPECTED: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say that they have no body (RFC 9110, 8.6)."""
_DEFAULTS: Final = {"accept-encoding": "Accept-Encoding: gzip, deflate", "connection": "Connection: keep-alive"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request to one URL."""

    method: str
    url: Url
    headers: Mapping[str, str]
    """Checked: every one can be sent. Host and Content-Length are not among them."""
    body: bytes | None

    def to_bytes(self) -> bytes:
        """The whole request."""
        lines = [f"{self.method} {self.url.target} HTTP/1.1", f"Host: {self.url.authority}"]
        given = {name.lower() for name in self.headers}
        lines += [line for name, line in _DEFAULTS.items() if name not in given]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body is not None or self.method in _BODY_EXPECTED:
            lines.append(f"Content-Length: {len(self.body or b'')}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (self.body or b"")
