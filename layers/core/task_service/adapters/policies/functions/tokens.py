"""JSON Web Tokens, read and verified as OPA does. Importing this takes as long as everything else here together."""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.encoding import load, numbers_in, refuse_long
from task_service.adapters.policies.functions.text import string
from task_service.adapters.policies.numbers import Number, Numbers, is_number

_ALGORITHMS: Final = (*(f"{kind}{size}" for kind in ("RS", "PS", "ES", "HS") for size in (256, 384, 512)), "EdDSA")
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\s*", re.DOTALL)
_PART: Final = re.compile(r"[A-Za-z0-9_-]*")
_NOT_VERIFIED: Final[list[Any]] = [False, {}, {}]
_SIZES: Final = {"ES256": 256, "ES384": 384, "ES512": 521}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key that a token may be signed with."""

    public: PublicKey
    algorithm: str | None = None
    """The only algorithm that it is for; None for all that it can."""
    kid: str | None = None
    """Its id, by which tokens name it."""


class Tokens:
    """The functions, for the numbers of an evaluation."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        self._numbers = numbers
        self._algorithms: Mapping[str, Algorithm] = get_default_algorithms()

    def functions(self) -> dict[str, tuple[int, Callable[..., Any]]]:
        """The functions by their names, with their numbers of arguments."""
        return {
            "io.jwt.decode": (1, self.decode),
            "io.jwt.decode_verify": (2, self.decode_verify),
            **{f"io.jwt.verify_{algorithm.lower()}": (2, self._verifier(algorithm)) for algorithm in _ALGORITHMS},
        }

    def decode(self, token: Any) -> list[Any]:
        """Header, payload and signature of a token, which is not verified."""
        header, payload, signature = self._parts(string(token))
        fields = self._object(self._decoded("header", header))
        if "enc" in fields:
            raise Refused("JWT is a JWE object, which is not supported")
        inner = self._decoded("payload", payload)
        if _is_nested(fields):
            return self.decode(_text(inner))
        return [fields, self._object(inner), self._decoded("signature", signature).hex()]

    def decode_verify(self, token: Any, constraints: Any) -> list[Any]:
        """Verify a token: true or false, and its header and payload if it meets the constraints."""
        if not isinstance(constraints, dict) or not isinstance(token, str):
            raise Refused("io.jwt.decode_verify needs a string and an object")
        unknown = constraints.keys() - {"cert", "secret", "alg", "iss", "time", "aud"}
        if unknown:
            raise Refused(f"unknown token constraint: {min(unknown)}")
        for name in constraints.keys() - {"time"}:
            if not isinstance(constraints[name], str):
                raise Refused(f"{name} constraint: must be a string")
        _number("token time constraint", constraints.get("time", 0))
        keys, secret = self._with(constraints)
        while True:
            header, payload, signature = self._parts(token)
            fields = self._object(self._decoded("header", header))
            algorithm, wanted, kid = fields.get("alg"), constraints.get("alg"), string(fields.get("kid", ""))
            if "enc" in fields or "crit" in fields or not isinstance(algorithm, str) or wanted not in (None, algorithm):
                return _NOT_VERIFIED
            raw = self._decoded("signature", signature)
            # The first key of that name is taken, for whatever algorithm it can.
            named = [replace(key, algorithm=None) for key in keys if key.kid and key.kid == kid][:1]
            if not self._is_signed(algorithm, named or keys, secret, f"{header}.{payload}".encode(), raw):
                return _NOT_VERIFIED
            inner = self._decoded("payload", payload)
            if not _is_nested(fields):
                break
            token = _text(inner)
        claims = self._object(inner)
        return [True, fields, claims] if self._allows(constraints, claims) else _NOT_VERIFIED

    def _with(self, constraints: Mapping[str, Any]) -> tuple[Sequence[Key], bytes | None]:
        if ("cert" in constraints) == ("secret" in constraints):
            raise Refused("there has to be a key, cert or secret, and only one")
        if "secret" in constraints:
            return [], constraints["secret"].encode()
        return self._keys(constraints["cert"]), None

    def _is_signed(
        self, algorithm: str, keys: Sequence[Key], secret: bytes | None, signed: bytes, signature: bytes
    ) -> bool:
        if algorithm not in _ALGORITHMS:
            raise Refused(f"unknown JWS algorithm: {algorithm[:20]}")
        if algorithm.startswith("HS"):
            return secret is not None and self._algorithms[algorithm].verify(signed, secret, signature)
        return secret is None and self._has_signature(algorithm, keys, signed, signature)

    def _allows(self, constraints: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
        if "iss" in constraints and claims.get("iss") != constraints["iss"]:
            return False
        audience, wanted = claims.get("aud"), constraints.get("aud")
        if wanted is None:
            if audience is not None:
                return False
        elif wanted != audience and not (isinstance(audience, list) and wanted in audience):
            return False
        now = self._numbers().exact(_number("time", constraints.get("time", time.time_ns())))
        for name, is_past in (("exp", False), ("nbf", True)):
            if name in claims:
                at = self._numbers().exact(_number(f"{name} value", claims[name])) * 10**9
                if (now < at) if is_past else (now >= at):
                    return False
        return True

    def _verifier(self, algorithm: str) -> Callable[[Any, Any], bool]:
        def verify(token: Any, key: Any) -> bool:
            header, payload, signature = self._parts(string(token))
            raw, signed = self._decoded("signature", signature), f"{header}.{payload}".encode()
            if algorithm.startswith("HS"):
                return self._algorithms[algorithm].verify(signed, string(key).encode(), raw)
            keys = self._keys(string(key))
            if algorithm.startswith("PS"):
                # Here, and only here, OPA takes a salt of any length.
                return any(_fits(algorithm, key) and _has_pss(algorithm, key.public, signed, raw) for key in keys)
            return self._has_signature(algorithm, keys, signed, raw)

        return verify

    def _has_signature(self, algorithm: str, keys: Sequence[Key], signed: bytes, signature: bytes) -> bool:
        return any(
            _fits(algorithm, key) and self._algorithms[algorithm].verify(signed, key.public, signature) for key in keys
        )

    def _keys(self, text: str) -> Sequence[Key]:
        """The keys of a certificate, a public key or a JSON Web Key (set)."""
        block = _BLOCK.match(text)
        try:
            if block is None:
                document = json.loads(text)
                return [_key(key) for key in document.get("keys", [document])]
            if block.end() != len(text):
                raise Refused("extra data after a PEM certificate block")
            if block[1] == "CERTIFICATE":
                return [Key(public=_public(x509.load_pem_x509_certificate(text.encode()).public_key()))]
            if block[1] == "PUBLIC KEY":
                return [Key(public=_public(load_pem_public_key(text.encode())))]
        except (ValueError, KeyError, TypeError, AttributeError, PyJWTError, UnsupportedAlgorithm) as error:
            raise Refused("failed to parse a PEM certificate or a JWK key (set)") from error
        raise Refused("failed to extract a Key from the PEM certificate")

    def _parts(self, token: str) -> Sequence[str]:
        parts = token.split(".")
        if len(parts) == 1:
            raise Refused("encoded JWT had no period separators")
        if len(parts) != 3:
            raise Refused(f"encoded JWT must have 3 sections, found {len(parts)}")
        return parts

    def _decoded(self, name: str, part: str) -> bytes:
        if not _PART.fullmatch(part):
            raise Refused(f"JWT {name} had invalid encoding")
        try:
            return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error:
            raise Refused(f"JWT {name} had invalid encoding") from None

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            value = load(text.decode(), self._numbers())
        except ValueError:
            raise Refused("a part of the JWT is not JSON") from None
        if not isinstance(value, dict):
            raise Refused("a part of the JWT is not an object")
        for number in numbers_in(value):
            refuse_long(number)
        return value


def _is_nested(header: Mapping[str, Any]) -> bool:
    """Tell if the payload of a token is a token."""
    return str(header.get("cty", "")).upper() == "JWT"


def _text(payload: bytes) -> Any:
    """The token in a payload, as it is or as JSON."""
    try:
        text = payload.decode()
        return json.loads(text) if text.startswith('"') else text
    except ValueError:
        raise Refused("the payload is no JWT, as the header says") from None


def _has_pss(algorithm: str, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    kind = getattr(hashes, f"SHA{algorithm[2:]}")()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PSS(padding.MGF1(kind), padding.PSS.AUTO), kind)
    except InvalidSignature:
        return False
    return isinstance(key, rsa.RSAPublicKey)


def _fits(algorithm: str, key: Key) -> bool:
    if key.algorithm not in (None, algorithm):
        return False
    if isinstance(key.public, ec.EllipticCurvePublicKey):
        return key.public.curve.key_size == _SIZES.get(algorithm)
    if isinstance(key.public, ed25519.Ed25519PublicKey):
        return algorithm == "EdDSA"
    return algorithm.startswith(("RS", "PS"))


def _key(document: Mapping[str, Any]) -> Key:
    """The key of a JSON Web Key."""
    algorithm, kid = document.get("alg"), document.get("kid")
    if algorithm is not None and algorithm not in (*_ALGORITHMS, "RSA-OAEP", "RSA-OAEP-256"):
        raise Refused("the algorithm of a JWK key is not known")
    public = _public(PyJWK.from_dict({**document, "alg": _algorithm(document)}).key)
    return Key(public=public, algorithm=algorithm and string(algorithm), kid=kid and string(kid))


def _algorithm(key: Mapping[str, Any]) -> str:
    """An algorithm with which the library reads a key of this kind."""
    if key["kty"] == "EC":
        return {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[key["crv"]]
    return {"RSA": "RS256", "OKP": "EdDSA"}[key["kty"]]


def _public(key: object) -> PublicKey:
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return key
    raise Refused("a public key is needed that is of RSA, an elliptic curve or Ed25519")


def _number(name: str, value: Any) -> Number:
    if is_number(value):
        return value
    raise Refused(f"{name} must be a number")
