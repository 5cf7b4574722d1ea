"""Who calls: what a bearer token says, once it is verified."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Somebody whose token was accepted."""

    scopes: frozenset[str]
    """What the token allows."""
    subject: str | None = None
    """Whom the token is about: the same for all tokens of one issuer about one subject; None: it does not say."""

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> "Caller":
        """The caller of a token's claims; scopes are in `scope` (RFC 8693, 4.2) or, as some servers have it, `scp`."""
        scopes = _scopes(claims.get("scope")) | _scopes(claims.get("scp"))
        # A subject is unique within its issuer (RFC 7519, 4.1.2).
        subject = json.dumps([claims.get("iss"), claims["sub"]]) if claims.get("sub") else None
        return cls(scopes=scopes, subject=subject)


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750, 2.1), None where there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _scopes(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        return frozenset(claim.split())
    return frozenset(item for item in claim if isinstance(item, str)) if isinstance(claim, list) else frozenset()
