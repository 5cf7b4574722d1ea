"""Callers: what a bearer token says of them, once its signature is verified."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from task_service.domain.errors import Unauthenticated

LEEWAY_SECONDS: Final = 30
"""By how much the issuer's clock may be ahead. A token that has expired, has expired."""

MAX_NAME: Final = 255
"""The most characters of a caller's name that are kept, as OpenID Connect limits a subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A client whose token was accepted."""

    scopes: frozenset[str]
    """What the token allows."""
    subject: str | None = None
    """The subject of the token, the same in all tokens of one issuer about it; None: the token does not say."""

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> "Caller":
        """The caller of a token's claims; scopes are in `scope` (RFC 8693, 4.2) or, as some servers have it, `scp`."""
        scopes = _scopes(claims.get("scope")) | _scopes(claims.get("scp"))
        # A subject is unique within its issuer (RFC 7519, 4.1.2).
        subject = json.dumps([claims.get("iss"), claims["sub"]]) if claims.get("sub") else None
        return cls(scopes=scopes, subject=subject)

    @property
    def name(self) -> str | None:
        """The token's `sub` as records, states and logs show it; None: the token does not say."""
        return printable(json.loads(self.subject)[1]) if self.subject is not None else None


def printable(sub: str) -> str:
    """A subject that can be shown: not too long, and without characters that a terminal or a log does not print."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in sub)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"


def claim_fault(claims: Mapping[str, Any], *, audience: str, issuer: str, now: float) -> str | None:
    """Why a token of these claims is not accepted at a time, None: it is.

    An empty audience or issuer is not checked. See RFC 7519, 4.1.
    """
    for name, (is_right, expected) in _TYPES.items():
        if name in claims and not is_right(claims[name]):
            return f"the token has a claim {name} that is not {expected}"
    required = {"exp": True, "iss": bool(issuer), "aud": bool(audience)}
    for name, is_required in required.items():
        if is_required and name not in claims:
            return f"the token has no claim {name}"
    if claims["exp"] <= now:
        return Unauthenticated.EXPIRED
    if any(claims.get(name, now) > now + LEEWAY_SECONDS for name in ("nbf", "iat")):
        return "the token is not valid yet"
    if issuer and claims["iss"] != issuer:
        return "the token is of another issuer"
    if audience and audience not in _list(claims["aud"]):
        return "the token is for another audience"
    return None


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750, 2.1), None where there is none."""
    scheme, _, token = (authorization or "").strip(" \t").partition(" ")
    return token.strip(" \t") or None if scheme.lower() == "bearer" else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_list(value: object) -> bool:
    return all(map(_is_text, value)) if isinstance(value, list) else _is_text(value)


def _is_unset_or_text_or_list(value: object) -> bool:
    return value is None or _is_text_or_list(value)


_LISTED: Final = "a string or an array of strings"
_TYPES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "exp": (_is_number, "a number"),
    "nbf": (_is_number, "a number"),
    "iat": (_is_number, "a number"),
    "iss": (_is_text, "a string"),
    "sub": (_is_text, "a string"),
    "jti": (_is_text, "a string"),
    "aud": (_is_text_or_list, _LISTED),
    # Some servers write null where there are no scopes.
    "scope": (_is_unset_or_text_or_list, _LISTED),
    "scp": (_is_unset_or_text_or_list, _LISTED),
}
"""For each claim that means something here, whether a value is of its type, and what that is."""


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _scopes(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        # Only this character separates scopes (RFC 6749, 3.3); other white space is no part of one, and no border.
        return frozenset(filter(None, claim.split(" ")))
    return frozenset(item for item in claim if isinstance(item, str)) if isinstance(claim, list) else frozenset()
