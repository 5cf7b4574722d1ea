"""JSON Web Tokens, verified with PyJWT against a key set."""

import re
from dataclasses import dataclass
from typing import Any, Final

import jwt

from task_service.adapters.identity.jwks import ALGORITHMS, Jwks
from task_service.domain.errors import Unauthenticated
from task_service.domain.identity import Caller
from task_service.ports import Clock

MAX_LENGTH: Final = 16_384
"""More than API Gateway lets through in all headers together."""

LEEWAY_SECONDS: Final = 30
"""By how much the clock of whoever made a token may be ahead. A token that has expired, has expired."""

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class JwtVerifier:
    """Verifies tokens: signed with a key of the set, by an algorithm of that key, in time, and for us."""

    keys: Jwks
    audience: str
    """Who the tokens are for; empty: not checked."""
    issuer: str
    """Who makes the tokens; empty: not checked."""
    clock: Clock

    def verify(self, token: str) -> Caller:
        """Who the token is of. Raises Unauthenticated, which says why, and Unavailable."""
        try:
            claims = self._claims(token)
            in_time = float(claims["exp"]) > self.clock().timestamp()
        except jwt.PyJWTError as error:
            raise Unauthenticated.invalid_token(_reason(error)) from error
        # Numbers and nesting beyond what Python makes of them.
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthenticated.invalid_token(_MALFORMED) from error
        if not in_time:
            raise Unauthenticated.invalid_token(Unauthenticated.EXPIRED)
        return Caller.from_claims(claims)

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_LENGTH or not _COMPACT.fullmatch(token):
            raise jwt.DecodeError("not a signed token in compact form")
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError(f"algorithm {algorithm!r}")
        key = self.keys.find(header.get("kid"), algorithm)
        if key is None:
            raise jwt.InvalidKeyError("no such key for this algorithm")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self.audience or None,
            issuer=self.issuer or None,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"], "verify_aud": bool(self.audience), "verify_iss": bool(self.issuer)},
        )
        return claims


_MALFORMED: Final = "the token is malformed"

_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], str], ...]] = (
    (jwt.ExpiredSignatureError, Unauthenticated.EXPIRED),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is of another issuer"),
    (jwt.InvalidAlgorithmError, "the token's algorithm is not accepted"),
    (jwt.InvalidKeyError, "the token's key is not known"),
    (jwt.InvalidSignatureError, "the token's signature is not valid"),
    (jwt.DecodeError, _MALFORMED),
)


def _reason(error: jwt.PyJWTError) -> str:
    """What the client is told: enough to mend it, and nothing of what would have been accepted."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token has no claim {error.claim}"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "the token is not valid")
