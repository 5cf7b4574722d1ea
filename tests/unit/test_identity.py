"""Tokens: which are accepted, with which keys, and what is asked for when."""

import base64
import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from task_service.adapters.http.endpoint import EndpointFailed
from task_service.adapters.identity.jwks import MAX_CANDIDATES, Jwks, Key, parse
from task_service.adapters.identity.jwt import JwtVerifier
from task_service.domain.errors import Unauthenticated, Unavailable
from task_service.domain.identity import Caller, bearer_token
from task_service.testing import FakeClock
from tests.support.tokens import AUDIENCE, BAD, ISSUER, Issuer, encoded

HOUR = timedelta(hours=1)
ISSUED_BY, OTHER, STRANGER = Issuer(), Issuer(), Issuer()


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


def find(keys: Jwks, key_id: str | None, algorithm: str) -> Key | None:
    """The first key that is tried for a token."""
    return next(keys.candidates(key_id, algorithm), None)


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


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": "4102444800"}, "the token has a claim exp that is not a number"),
        ({"exp": True}, "the token has a claim exp that is not a number"),
        ({"exp": [4102444800]}, "the token has a claim exp that is not a number"),
        ({"nbf": "0"}, "the token has a claim nbf that is not a number"),
        ({"iat": "2026-01-01T00:00:00Z"}, "the token has a claim iat that is not a number"),
        ({"iat": {}}, "the token has a claim iat that is not a number"),
        ({"iss": 7}, "the token has a claim iss that is not a string"),
        ({"iss": [ISSUER]}, "the token has a claim iss that is not a string"),
        ({"sub": 7}, "the token has a claim sub that is not a string"),
        ({"sub": ["ada"]}, "the token has a claim sub that is not a string"),
        ({"jti": 1}, "the token has a claim jti that is not a string"),
        ({"aud": 7}, "the token has a claim aud that is not a string or an array of strings"),
        ({"aud": [AUDIENCE, 7]}, "the token has a claim aud that is not a string or an array of strings"),
        ({"aud": {AUDIENCE: 1}}, "the token has a claim aud that is not a string or an array of strings"),
        ({"scope": 7}, "the token has a claim scope that is not a string or an array of strings"),
        ({"scp": {"a": 1}}, "the token has a claim scp that is not a string or an array of strings"),
    ],
)
def test_a_claim_of_a_wrong_type_is_named(claims: dict[str, Any], message: str) -> None:
    for tokens in (verifier(), verifier(audience="", issuer="")):
        assert refusal(tokens, signed({**ISSUED_BY.claims(), **claims})).message == message


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "iss", "sub", "jti", "aud"])
def test_a_claim_of_null_is_of_a_wrong_type(name: str) -> None:
    message = refusal(verifier(), signed({**ISSUED_BY.claims(), name: None})).message
    assert message.startswith(f"the token has a claim {name} that is not a ")


def test_scopes_may_be_null() -> None:
    assert verifier().verify(signed({**ISSUED_BY.claims(), "scope": None, "scp": None})).scopes == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        b'{"sub": "ada", "sub": "root"}',
        b'{"scope": "a", "exp": 4102444800, "scope": "task.admin"}',
        b'{"exp": ' + b"9" * 5_000 + b"}",
        b'{"exp": 1e999}',
    ],
)
def test_claims_that_can_be_read_in_two_ways_are_refused(claims: bytes) -> None:
    message = "the token is malformed: a member is there twice, or a number is too large"
    assert refusal(verifier(), signed(claims)).message == message


def test_a_header_that_can_be_read_in_two_ways_is_refused() -> None:
    header = encoded(b'{"alg": "RS256", "kid": "p256", "kid": "rsa"}')
    message = "the token is malformed: a member is there twice, or a number is too large"
    assert refusal(verifier(), f"{header}.{ISSUED_BY.token().partition('.')[2]}").message == message


def signed(claims: dict[str, Any] | bytes) -> str:
    """A token of our issuer with any claims, which PyJWT would not make."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, ISSUED_BY.keys["rsa"], algorithm="RS256", headers={"kid": "rsa"})


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
    refusal(shared(), token)


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
    refusal(shared(), f"{encoded(header)}.{encoded(claims)}.AAAA")
    # Also where it is signed.
    signed = jwt.PyJWS().encode(
        json.dumps({"exp": 1, **claims}).encode(), ISSUED_BY.keys["rsa"], algorithm="RS256", headers={"kid": "rsa"}
    )
    refusal(shared(), signed)


@cache
def shared() -> JwtVerifier:
    """A verifier for all generated tokens: to read its keys takes longer than to refuse a token."""
    return verifier()


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
        # Scopes are separated by the space U+0020, and by nothing else.
        ({"scope": "a\u00a0task.admin"}, {"a\u00a0task.admin"}),
        ({"scope": "a\ttask.admin b"}, {"a\ttask.admin", "b"}),
        ({"scp": "a\ntask.admin\u2003c\u3000d"}, {"a\ntask.admin\u2003c\u3000d"}),
        ({"scope": "\x1ftask.admin"}, {"\x1ftask.admin"}),
        ({"scope": "   "}, set()),
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
        ("Bearer \ta\t", "a"),
        ("Bearer\u00a0a.b.c", None),
        ("\u2003Bearer a", None),
    ],
)
def test_the_token_of_a_header(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


# -- keys


def signed_without_id(issuer: Issuer = ISSUED_BY, key: str = "rsa", algorithm: str = "RS256") -> str:
    return jwt.encode(issuer.claims(), issuer.keys[key], algorithm=algorithm)


def key_set(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


@pytest.mark.parametrize(("key", "algorithm"), [("rsa", "RS256"), ("rsa", "PS512"), ("p256", "ES256"), ("ed", "EdDSA")])
@pytest.mark.parametrize("place", ["first", "last"])
def test_without_an_id_each_key_for_the_algorithm_is_tried(key: str, algorithm: str, place: str) -> None:
    other = OTHER.jwk(key, kid="other")
    keys = [ISSUED_BY.jwk(key), other] if place == "first" else [other, ISSUED_BY.jwk(key)]
    tokens = verifier(Endpoint(key_set(*keys, ISSUED_BY.jwk("p384"))))

    tokens.verify(signed_without_id(key=key, algorithm=algorithm))
    assert refusal(tokens, signed_without_id(STRANGER, key, algorithm)).message == "the token's signature is not valid"


def test_without_an_id_the_keys_of_no_id_are_tried_too() -> None:
    keys = key_set(OTHER.jwk("rsa", kid=None), ISSUED_BY.jwk("rsa", kid=None))
    verifier(Endpoint(keys)).verify(signed_without_id())


@pytest.mark.parametrize("keys", [[OTHER, ISSUED_BY], [ISSUED_BY, OTHER], [OTHER, OTHER, ISSUED_BY]])
def test_each_of_the_keys_of_one_id_is_tried(keys: list[Issuer]) -> None:
    tokens = verifier(Endpoint(key_set(*(issuer.jwk("rsa") for issuer in keys))))
    tokens.verify(ISSUED_BY.token())
    tokens.verify(OTHER.token())
    assert refusal(tokens, STRANGER.token()).message == "the token's signature is not valid"


def test_a_key_of_another_id_is_not_tried_for_a_token_that_names_one() -> None:
    tokens = verifier(Endpoint(key_set(OTHER.jwk("rsa"), ISSUED_BY.jwk("rsa", kid="new"))))
    assert refusal(tokens, ISSUED_BY.token()).message == "the token's signature is not valid"


def test_only_a_few_keys_are_tried() -> None:
    wrong = [OTHER.jwk("rsa", kid=str(number)) for number in range(MAX_CANDIDATES)]
    verifier(Endpoint(key_set(*wrong[1:], ISSUED_BY.jwk("rsa")))).verify(signed_without_id())
    tokens = verifier(Endpoint(key_set(*wrong, ISSUED_BY.jwk("rsa"))))
    assert refusal(tokens, signed_without_id()).message == "the token's signature is not valid"
    # A token that names its key needs no luck.
    tokens.verify(ISSUED_BY.token())


@pytest.mark.parametrize("sign", [ISSUED_BY.token, signed_without_id], ids=["with an id", "without"])
def test_a_key_that_was_replaced_under_its_id_is_fetched(sign: Callable[[], str]) -> None:
    clock, fetch = FakeClock(now()), Endpoint(OTHER.jwks("rsa"), ISSUED_BY.jwks("rsa"))
    tokens = JwtVerifier(keys=Jwks(fetch, interval=HOUR, clock=clock), audience=AUDIENCE, issuer=ISSUER, clock=clock)
    tokens.verify(OTHER.token())
    clock.advance(31)

    tokens.verify(sign())
    assert fetch.asked == 2


def test_forged_signatures_cannot_make_us_ask_often() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"))
    tokens = JwtVerifier(keys=Jwks(fetch, interval=HOUR, clock=clock), audience=AUDIENCE, issuer=ISSUER, clock=clock)
    for _ in range(60):
        refusal(tokens, STRANGER.token())
        clock.advance(1)
    assert fetch.asked == 2


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


def test_a_key_that_the_cryptographic_library_was_built_without_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise UnsupportedAlgorithm("not in this build")

    monkeypatch.setattr(RSAAlgorithm, "from_jwk", staticmethod(refuse))

    [key] = parse(ISSUED_BY.jwks("rsa", "p256"))
    assert key.id == "p256"


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
def test_without_keys_no_token_can_be_verified(rubbish: bytes | Exception) -> None:
    with pytest.raises(Unavailable, match="the keys that tokens are verified with are not available"):
        verifier(Endpoint(rubbish)).verify(ISSUED_BY.token())


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_the_last_good_keys_are_used_while_there_are_no_better_ones(
    rubbish: bytes | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks(), rubbish)
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    find(keys, "rsa", "RS256")

    clock.advance(3600)
    with caplog.at_level(logging.WARNING, "task"):
        assert find(keys, "rsa", "RS256")

    assert fetch.asked == 2
    assert [record.getMessage() for record in caplog.records] == ["the keys could not be fetched"]


def test_keys_are_fetched_once_an_interval() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"), ISSUED_BY.jwks("p256"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    for _ in range(3):
        clock.advance(19 * 60)
        assert find(keys, "rsa", "RS256")
    assert fetch.asked == 1

    clock.advance(22 * 60)

    assert find(keys, "p256", "ES256")
    # A key that is gone is no longer accepted.
    assert find(keys, "rsa", "RS256") is None
    assert fetch.asked == 2


def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"), ISSUED_BY.jwks("rsa", "p256"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)
    assert find(keys, "rsa", "RS256")
    clock.advance(31)

    assert find(keys, "p256", "ES256")
    assert fetch.asked == 2


def test_tokens_that_name_unknown_keys_cannot_make_us_ask_often() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks("rsa"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)

    for second in range(300):
        assert find(keys, f"unknown-{second}", "RS256") is None
        clock.advance(1)

    assert fetch.asked == 10


def test_an_endpoint_that_is_down_is_not_asked_by_every_request() -> None:
    clock, fetch = FakeClock(now()), Endpoint(EndpointFailed("down"))
    keys = Jwks(fetch, interval=HOUR, clock=clock)

    for _ in range(60):
        with pytest.raises(Unavailable):
            find(keys, "rsa", "RS256")
        clock.advance(1)
    assert fetch.asked == 2

    fetch.answers = [ISSUED_BY.jwks()]
    clock.advance(30)
    assert find(keys, "rsa", "RS256")


def test_a_short_interval_is_kept() -> None:
    clock, fetch = FakeClock(now()), Endpoint(ISSUED_BY.jwks())
    keys = Jwks(fetch, interval=timedelta(seconds=2), clock=clock)

    for _ in range(10):
        find(keys, "rsa", "RS256")
        clock.advance(1)

    assert fetch.asked == 5
