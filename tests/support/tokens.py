"""The issuer of tokens in tests: good ones, and everything that is not accepted.

issuer = Issuer()
target.on("/keys", answer(body=issuer.jwks()))
headers = {"Authorization": f"Bearer {issuer.token()}"}
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

AUDIENCE: Final = "task-service"
ISSUER: Final = "https://issuer.example"
ADMIN: Final = "task.admin"

Claims = Mapping[str, Any]


class Issuer:
    """Has keys and signs tokens with them."""

    @cached_property
    def keys(self) -> dict[str, Any]:
        """Its private keys by their ids."""
        return {
            "rsa": rsa.generate_private_key(65537, 2048),
            "p256": ec.generate_private_key(ec.SECP256R1()),
            "p384": ec.generate_private_key(ec.SECP384R1()),
            "p521": ec.generate_private_key(ec.SECP521R1()),
            "k256": ec.generate_private_key(ec.SECP256K1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
            "ed448": ed448.Ed448PrivateKey.generate(),
        }

    def jwk(self, key_id: str, **members: Any) -> dict[str, Any]:
        """The public half of a key as JSON Web Key; members of None are left out."""
        public = self.keys[key_id].public_key()
        algorithm = get_default_algorithms()[_OWN[key_id]]
        made = {**algorithm.to_jwk(public, as_dict=True), "kid": key_id, "use": "sig", **members}
        made.pop("key_ops", None) if "key_ops" not in members else None
        return {name: value for name, value in made.items() if value is not None}

    def jwks(self, *key_ids: str) -> bytes:
        """The key set with these keys, by default all."""
        return json.dumps({"keys": [self.jwk(key_id) for key_id in key_ids or self.keys]}).encode()

    def claims(self, **claims: Any) -> dict[str, Any]:
        """The claims of a good token; those of None are left out."""
        now = time.time()
        made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "nbf": now, "exp": now + 300, **claims}
        return {name: value for name, value in made.items() if value is not None}

    def token(
        self, key_id: str = "rsa", algorithm: str | None = None, *, header: Claims | None = None, **claims: Any
    ) -> str:
        """A good token, as far as nothing else is asked for."""
        return jwt.encode(
            self.claims(**claims),
            self.keys[key_id],
            algorithm=algorithm or _OWN[key_id],
            headers={"kid": key_id, **(header or {})},
        )

    def public_pem(self) -> bytes:
        """The public key, which every verifier has."""
        pem: bytes = self.keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem


_OWN: Final = {
    "rsa": "RS256",
    "p256": "ES256",
    "p384": "ES384",
    "p521": "ES512",
    "k256": "ES256K",
    "ed": "EdDSA",
    "ed448": "EdDSA",
}


def encoded(part: object) -> str:
    """A part of a token: bytes as they are, anything else as JSON."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(header: Claims, claims: Claims, secret: bytes) -> str:
    """A token that is signed with a shared secret, which PyJWT refuses to make of a public key."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _forged(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{encoded(issuer.claims(sub='root'))}.{signature}"


def _cut(issuer: Issuer) -> str:
    return issuer.token()[:-20]


def _with_other_key(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), _STRANGER.keys["rsa"], algorithm="RS256", headers={"kid": "rsa"})


_STRANGER: Final = Issuer()

BAD: Final[Mapping[str, Callable[[Issuer], str]]] = {
    # -- signatures that are not good
    "forged claims": _forged,
    "another's key under a known id": _with_other_key,
    "another's key under its own id": lambda _: _STRANGER.token(header={"kid": "stranger"}),
    "a signature cut short": _cut,
    "no signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "none": lambda issuer: f"{encoded({'alg': 'none', 'kid': 'rsa'})}.{encoded(issuer.claims())}.",
    "none with a signature": lambda issuer: f"{encoded({'alg': 'none', 'kid': 'rsa'})}.{encoded(issuer.claims())}.AAAA",
    "nOnE": lambda issuer: f"{encoded({'alg': 'nOnE', 'kid': 'rsa'})}.{encoded(issuer.claims())}.AAAA",
    "HS256 with the public key": lambda issuer: hs256(
        {"alg": "HS256", "kid": "rsa"}, issuer.claims(), issuer.public_pem()
    ),
    "HS256 with the key set": lambda issuer: hs256({"alg": "HS256", "kid": "rsa"}, issuer.claims(), issuer.jwks()),
    "HS256 with an empty secret": lambda issuer: hs256({"alg": "HS256"}, issuer.claims(), b""),
    "RS256 claimed for an elliptic key": lambda issuer: (
        f"{encoded({'alg': 'RS256', 'kid': 'p256'})}.{issuer.token().partition('.')[2]}"
    ),
    "ES256 claimed for an RSA key": lambda issuer: (
        f"{encoded({'alg': 'ES256', 'kid': 'rsa'})}.{issuer.token('p256').partition('.')[2]}"
    ),
    "a signature of zeros": lambda issuer: (
        f"{encoded({'alg': 'ES256', 'kid': 'p256'})}.{encoded(issuer.claims())}.{encoded(bytes(64))}"
    ),
    "a key of its own in the header": lambda _: jwt.encode(
        _STRANGER.claims(), _STRANGER.keys["rsa"], algorithm="RS256", headers={"jwk": _STRANGER.jwk("rsa"), "kid": "x"}
    ),
    "the address of keys in the header": lambda _: _STRANGER.token(
        header={"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "kid": "x"}
    ),
    "an unknown critical extension": lambda issuer: issuer.token(header={"crit": ["exp2"], "exp2": 1}),
    "an id that is a path": lambda issuer: issuer.token(header={"kid": "../../../dev/null"}),
    "an id that is a number": lambda issuer: (
        f"{encoded({'alg': 'RS256', 'kid': 1})}.{issuer.token().partition('.')[2]}"
    ),
    "an algorithm that is a list": lambda issuer: (
        f"{encoded({'alg': ['RS256'], 'kid': 'rsa'})}.{issuer.token().partition('.')[2]}"
    ),
    "no algorithm": lambda issuer: f"{encoded({'kid': 'rsa'})}.{issuer.token().partition('.')[2]}",
    # -- not in time, not for us
    "expired": lambda issuer: issuer.token(exp=time.time() - 3600),
    "expired a second ago": lambda issuer: issuer.token(exp=time.time() - 1),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "an expiry that is no number": lambda issuer: issuer.token(exp="tomorrow"),
    "an expiry without end": lambda issuer: issuer.token(exp=float("inf")),
    "an expiry that is not a number": lambda issuer: issuer.token(exp=float("nan")),
    "not before tomorrow": lambda issuer: issuer.token(nbf=time.time() + 86400),
    "made tomorrow": lambda issuer: issuer.token(iat=time.time() + 86400),
    "another audience": lambda issuer: issuer.token(aud="another"),
    "other audiences": lambda issuer: issuer.token(aud=["another", "task-service2"]),
    "no audience": lambda issuer: issuer.token(aud=None),
    "another issuer": lambda issuer: issuer.token(iss="https://issuer.example.evil"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    # -- no tokens
    "words": lambda _: "let me in",
    "one part": lambda _: "abc",
    "two parts": lambda _: "abc.def",
    "five parts": lambda _: "a.b.c.d.e",
    "empty parts": lambda _: "..",
    "no Base64": lambda _: "a*.b*.c*",
    "no JSON": lambda _: f"{encoded(b'{')}.{encoded(b'{')}.AAAA",
    "no objects": lambda _: f"{encoded([])}.{encoded([])}.AAAA",
    "claims that are no object": lambda issuer: jwt.PyJWS().encode(
        b"[1]", issuer.keys["rsa"], algorithm="RS256", headers={"kid": "rsa"}
    ),
    "a deep header": lambda _: f"{encoded(b'[' * 5000)}.{encoded({})}.AAAA",
    "a header of another encoding": lambda _: f"{encoded(bytes(range(128, 200)))}.{encoded({})}.AAAA",
}
"""Tokens that are not accepted, by their fault."""
