"""JSON Web Tokens: signatures verified with PyJWT against a key set, claims by the domain's rules."""

import re
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.utils import base64url_decode

from task_service.adapters.identity.jwks import ALGORITHMS, Jwks
from task_service.domain import strict_json
from task_service.domain.errors import Unauthenticated
from task_service.domain.identity import Caller, claim_fault
from task_service.ports import Clock

MAX_LENGTH: Final = 16_384
"""More than API Gateway lets through in all headers together."""

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SIGNATURES: Final = jwt.PyJWS()


@dataclass(frozen=True, kw_only=True, slots=True)
class JwtVerifier:
    """Verifies tokens: signed with a key of the set, by an algorithm of that key, in time, and for us."""

    keys: Jwks
    audience: str
    """The audience that the tokens are for; empty: not checked."""
    issuer: str
    """The issuer of the tokens; empty: not checked."""
    clock: Clock

    def verify(self, token: str) -> Caller:
        """The caller that the token is about. Raises Unauthenticated, which says why, and Unavailable."""
        try:
            claims = self._claims(token)
        except strict_json.AmbiguousJson as error:
            raise Unauthenticated.invalid_token(_AMBIGUOUS) from error
        except jwt.PyJWTError as error:
            raise Unauthenticated.invalid_token(_reason(error)) from error
        # Numbers and nesting beyond what Python makes of them.
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthenticated.invalid_token(_MALFORMED) from error
        fault = claim_fault(claims, audience=self.audience, issuer=self.issuer, now=self.clock().timestamp())
        if fault is not None:
            raise Unauthenticated.invalid_token(fault)
        return Caller.from_claims(claims)

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is good."""
        if len(token) > MAX_LENGTH or not _COMPACT.fullmatch(token):
            raise jwt.DecodeError("not a signed token in compact form")
        header = jwt.get_unverified_header(token)
        # PyJWT takes the last of two members of one name (RFC 7515, 4).
        strict_json.loads(base64url_decode(token.partition(".")[0]))
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError(f"algorithm {algorithm!r}")
        claims = strict_json.loads(self._payload(token, header.get("kid"), algorithm))
        if not isinstance(claims, dict):
            raise jwt.DecodeError("the claims are not an object")
        return claims

    def _payload(self, token: str, key_id: str | None, algorithm: str) -> bytes:
        failure: jwt.PyJWTError = jwt.InvalidKeyError("no such key for this algorithm")
        for key in self.keys.candidates(key_id, algorithm):
            try:
                payload: bytes = _SIGNATURES.decode(token, key.key, algorithms=[algorithm])
            except jwt.InvalidSignatureError as error:
                failure = error
            else:
                return payload
        raise failure


_MALFORMED: Final = "the token is malformed"
_AMBIGUOUS: Final = "the token is malformed: a member is there twice, or a number is too large"

_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], str], ...]] = (
    (jwt.InvalidAlgorithmError, "the token's algorithm is not accepted"),
    (jwt.InvalidKeyError, "the token's key is not known"),
    (jwt.InvalidSignatureError, "the token's signature is not valid"),
    (jwt.DecodeError, _MALFORMED),
)


def _reason(error: jwt.PyJWTError) -> str:
    """The reason that the client is told: enough to mend it, and nothing of what would have been accepted."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "the token is not valid")
