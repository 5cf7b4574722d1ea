"""Tokens: which are accepted, with which keys, and what is asked for when."""

import base64
import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from task_service.adapters.http.endpoint import EndpointFailed
from task_service.adapters.identity.jwks import Jwks, parse
from task_service.adapters.identity.jwt import JwtVerifier
from task_service.domain.errors import Unauthenticated, Unavailable
from task_service.domain.identity import Caller, bearer_token
from task_service.testing import FakeClock
from tests.support.tokens import AUDIENCE, BAD, ISSUER, Issuer, encoded

HOUR = timedelta(hours=1)
ISSUED_BY = Issuer()


def now() -> datetime:
    return datetime.now(UTC)


class Endpoint:
    """Gives one answer after the other, the last one again and again; counts."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def verifier(
    fetch: Callable[[], bytes] | None = None, *, audience: str = AUDIENCE, issuer: str = ISSUER
) -> JwtVerifier:
    keys = Jwks(fetch or Endpoint(ISSUED_BY.jwks()), interval=HOUR, clock=now)
    return JwtVerifier(keys=keys, audience=audience, issuer=issuer, clock=now)


def refusal(tokens: JwtVerifier, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(token)
    return caught.value


# -- tokens


@pytest.mark.parametrize(
    ("key_id", "algorithm"),
    [
        *[("rsa", f"{kind}{bits}") for kind in ("RS", "PS") for bits in (256, 384, 512)],
        *[("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("k256", "ES256K")],
        *[("ed", "EdDSA"), ("ed448", "EdDSA")],
    ],
)
def test_a_good_token_is_accepted(key_id: str, algorithm: str) -> None:
    assert verifier().verify(ISSUED_BY.token(key_id, algorithm)) == Caller(
        scopes=frozenset(), subject='["https://issuer.example", "ada"]'
    )


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_token_is_refused(bad: str) -> None:
    error = refusal(verifier(), BAD[bad](ISSUED_BY))

    assert error.status == 401
    assert error.headers["WWW-Authenticate"] == (
        f'Bearer realm="task-service", error="invalid_token", error_description="{error.message}"'
    )
    for secret in (AUDIENCE, ISSUER, "127.0.0.1", "Traceback"):
        assert secret not in error.message


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("expired", "the token has expired"),
        ("expired a second ago", "the token has expired"),
        ("no expiry", "the token has no claim exp"),
        ("not before tomorrow", "the token is not valid yet"),
        ("made tomorrow", "the token is not valid yet"),
        ("another audience", "the token is for another audience"),
        ("no audience", "the token has no claim aud"),
        ("another issuer", "the token is of another issuer"),
        ("forged claims", "the token's signature is not valid"),
        ("none with a signature", "the token's algorithm is not accepted"),
        ("HS256 with the public key", "the token's algorithm is not accepted"),
        ("another's key under its own id", "the token's key is not known"),
        ("ES256 claimed for an RSA key", "the token's key is not known"),
        ("words", "the token is malformed"),
        ("a deep header", "the token is malformed"),
    ],
)
def test_the_client_is_told_what_is_wrong(token: str, message: str) -> None:
    assert refusal(verifier(), BAD[token](ISSUED_BY)).message == message


@pytest.mark.parametrize("length", [20_000, 1_000_000])
def test_a_huge_token_costs_little(length: int) -> None:
    tokens = verifier()
    token = ISSUED_BY.token(padding="x" * length)

    started = time.perf_counter()
    assert refusal(tokens, token).message == "the token is malformed"
    assert time.perf_counter() - started < 0.05


def test_a_clock_that_is_a_little_ahead_is_no_reason() -> None:
    soon = time.time() + 20
    verifier().verify(ISSUED_BY.token(nbf=soon, iat=soon))


def test_audience_and_issuer_are_not_asked_for_unless_they_are_set() -> None:
    tokens = verifier(audience="", issuer="")

    for claims in ({"aud": "another"}, {"aud": None, "iss": None}, {"iss": "another"}):
        tokens.verify(ISSUED_BY.token(**claims))


def test_one_of_several_audiences_is_enough() -> None:
    verifier().verify(ISSUED_BY.token(aud=["another", AUDIENCE]))


@settings(max_examples=300)
@given(st.text(max_size=80) | st.lists(st.binary(max_size=30), min_size=3, max_size=3))
def test_whatever_is_sent_is_refused(sent: str | Sequence[bytes]) -> None:
    token = sent if isinstance(sent, str) else ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in sent)
    refusal(SHARED, token)


@settings(max_examples=300)
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "cty"]),
        st.sampled_from(["RS256", "none", "rsa", "JWT"]) | st.none() | st.integers() | st.lists(st.text(max_size=3)),
    ),
    claims=st.dictionaries(
        st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers()),
    ),
)
def test_whatever_a_token_says_is_refused(header: dict[str, Any], claims: dict[str, Any]) -> None:
    refusal(SHARED, f"{encoded(header)}.{encoded(claims)}.AAAA")
    # Also where it is signed.
    signed = jwt.PyJWS().encode(
        json.dumps({"exp": 1, **claims}).encode(), ISSUED_BY.keys["rsa"], algorithm="RS256", headers={"kid": "rsa"}
    )
    refusal(SHARED, signed)


SHARED = verifier()


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set()),
        ({"scope": "a b"}, {"a", "b"}),
        ({"scope": " a  b "}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scp": ["a", "b c", 1, None]}, {"a", "b c"}),
        ({"scope": ["a"]}, {"a"}),
        ({"scope": "a", "scp": ["b"]}, {"a", "b"}),
        ({"scope": None, "scp": 1}, set()),
        ({"scope": {"a": 1}}, set()),
    ],
)
def test_scopes_are_found(claims: dict[str, Any], scopes: set[str]) -> None:
    assert Caller.from_claims(claims).scopes == scopes


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic YTpi", None),
        ("Bearertoken", None),
        ("token", None),
        ("Bearer a.b.c", "a.b.c"),
        ("bearer  a.b.c ", "a.b.c"),
        ("BEARER a b", "a b"),
    ],
)
def test_the_token_of_a_header(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


# -- keys


def test_without_an_id_the_only_key_for_the_algorithm_is_used() -> None:
    token = jwt.encode(ISSUED_BY.claims(), ISSUED_BY.keys["rsa"], algorithm="RS256")

    verifier(Endpoint(ISSUED_BY.jwks("rsa", "p256"))).verify(token)

    two = json.dumps({"keys": [ISSUED_BY.jwk("rsa"), ISSUED_BY.jwk("rsa", kid="again")]}).encode()
    assert refusal(verifier(Endpoint(two)), token).message == "the token's key is not known"


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "PS256"},
        {"alg": "HS256"},
        {"alg": "RSA-OAEP"},
        {"alg": ["RS256"]},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC"},
        {"kty": "rsa"},
        {"kty": None},
        {"kid": None},
        {"kid": "another"},
        {"kid": 7},
        {"n": None},
        {"n": 1},
        {"n": "!"},
        {"e": "AA"},
    ],
)
def test_a_key_is_used_for_what_it_is(members: dict[str, Any]) -> None:
    keys = {"keys": [ISSUED_BY.jwk("rsa", **members), ISSUED_BY.jwk("p256"), "rubbish", None]}
    tokens = verifier(Endpoint(json.dumps(keys).encode()))

    assert refusal(tokens, ISSUED_BY.token()).status == 401
    tokens.verify(ISSUED_BY.token("p256"))


@pytest.mark.parametrize(
    "members", [{}, {"use": None}, {"alg": "RS256"}, {"key_ops": ["verify"]}, {"x5c": ["rubbish"]}]
)
def test_a_key_that_fits_is_used(members: dict[str, Any]) -> None:
    keys = {"keys": [ISSUED_BY.jwk("rsa", **members)]}
    verifier(Endpoint(json.dumps(keys).encode())).verify(ISSUED_BY.token())


def test_a_short_key_is_no_key() -> None:
    weak = Issuer()
    weak.keys["rsa"] = rsa.generate_private_key(65537, 1024)

    [key] = parse(weak.jwks("rsa", "p256"))
    assert key.id == "p256"


def test_the_private_half_of_a_key_is_not_kept() -> None:
    private = {**RSAAlgorithm.to_jwk(ISSUED_BY.keys["rsa"], as_dict=True), "kid": "rsa", "key_ops": ["verify"]}
    [key] = parse(json.dumps({"keys": [private]}).encode())

    assert isinstance(key.key, rsa.RSAPublicKey)


RUBBISH = [
    *(b"", b"[]", b"null", b"{}", b'{"keys":[]}', b'{"keys":{}}', b'{"keys":[1,{}]}', b"<html>", b"\xff\xfe"),
    b"[" * 100_000,
    EndpointFailed("status 500"),
]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_without_keys_nobody_can_tell(rubbish: bytes | Exception) -> None:
    with pytest.raises(Unavailable, match="the keys that tokens are verified with are not available"):
        verifier(Endpoint(rubbish)).verify(ISSUED_BY.token())


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_the_last_good_keys_are_used_while_there_are_no_better_ones(
    rubbish: bytes | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks(), rubbish)
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    keys.find("rsa", "RS256")

    clock.advance(3600)
    with caplog.at_level(logging.WARNING, "task"):
        assert keys.find("rsa", "RS256")

    assert fetch.asked == 2
    assert [record.getMessage() for record in caplog.records] == ["the keys could not be fetched"]


def test_keys_are_fetched_once_an_interval() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"), ISSUED_BY.jwks("p256"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    for _ in range(3):
        clock.advance(19 * 60)
        assert keys.find("rsa", "RS256")
    assert fetch.asked == 1

    clock.advance(22 * 60)

    assert keys.find("p256", "ES256")
    # A key that is gone is no longer accepted.
    assert keys.find("rsa", "RS256") is None
    assert fetch.asked == 2


def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"), ISSUED_BY.jwks("rsa", "p256"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    assert keys.find("rsa", "RS256")
    clock.advance(31)

    assert keys.find("p256", "ES256")
    assert fetch.asked == 2


def test_tokens_that_name_unknown_keys_cannot_make_us_ask_often() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)

    for second in range(300):
        assert keys.find(f"unknown-{second}", "RS256") is None
        clock.advance(1)

    assert fetch.asked == 10


def test_an_endpoint_that_is_down_is_not_asked_by_every_request() -> None:
    clock, fetch = FakeClock(now()), Endpoint(EndpointFailed("down"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)

    for _ in range(60):
        with pytest.raises(Unavailable):
            keys.find("rsa", "RS256")
        clock.advance(1)
    assert fetch.asked == 2

    fetch.answers = [ISSUED_BY.jwks()]
    clock.advance(30)
    assert keys.find("rsa", "RS256")


def test_a_short_interval_is_kept() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks())
    keys = Jwks(fetch, interval=timedelta(seconds=2), clock=clock)

    for _ in range(10):
        keys.find("rsa", "RS256")
        clock.advance(1)

    assert fetch.asked == 5
