"""Embedded policies: Rego sources with their data, by name."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy that can be evaluated here."""

    package: str
    """The package that its source has to name: group and name."""
    source: str
    data: str
    """Its data as JSON text: an object, which the source sees as `data`."""
    key: bytes
    """Differs from that of every other policy, and of every other version of this one."""

    @property
    def uses_tokens(self) -> bool:
        """Whether it may call io.jwt.*, whose library takes a while to load."""
        return "jwt" in self.source

    @classmethod
    def from_text(cls, text: str) -> "Policy":
        """The policy in a stored document."""
        return cls.from_document(json.loads(text))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Policy":
        """The policy in a document that has been checked."""
        package = f"{document['group']}.{document['name']}"
        source: str = document["source"]
        data = json.dumps(document.get("data") or {})
        key = hashlib.sha256("\0".join((package, source, data)).encode("utf-8", "surrogatepass")).digest()
        return cls(package=package, source=source, data=data, key=key)
