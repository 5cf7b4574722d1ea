"""The keys that tokens are signed with: a JSON Web Key Set, fetched, kept and refreshed."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms

from task_service.adapters.http.endpoint import EndpointFailed, ask_endpoint
from task_service.domain import strict_json
from task_service.domain.errors import Unavailable
from task_service.ports import Clock

log: Final = logging.getLogger("task")

FETCH_SECONDS: Final = 3.0
PAUSE: Final = timedelta(seconds=30)
"""Between one fetch and the next, also where tokens name unknown keys, or the endpoint is down."""

MAX_CANDIDATES: Final = 8
"""So many keys are tried for a token: with more, a client could make a request expensive."""

MIN_RSA_BITS: Final = 2048
"""RFC 7518, 3.3 and 3.5."""

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_OF_KEYS: Final[Mapping[tuple[str, str | None], frozenset[str]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("EC", "secp256k1"): frozenset({"ES256K"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}
"""The algorithms that a key may be used with, by its type and curve. A public key is no secret, so none of them is
symmetric; a token's header chooses among the key's own algorithms only."""

ALGORITHMS: Final = frozenset[str]().union(*_OF_KEYS.values())
"""All that are accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A public key, and the algorithms that it may be used with."""

    id: str | None
    algorithms: frozenset[str]
    key: Any


class Jwks:
    """The keys of the token issuer. The last good set is used for as long as there is no better one."""

    def __init__(self, fetch: Callable[[], bytes], *, interval: timedelta, clock: Clock) -> None:
        self._fetch = fetch
        self._interval = interval
        self._pause = min(PAUSE, interval)
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._due = self._not_before = datetime.min.replace(tzinfo=UTC)

    def candidates(self, key_id: str | None, algorithm: str) -> Iterator[Key]:
        """The keys that a token of this header may be signed with: all for its algorithm where it names none.

        The keys are fetched again where none of those that are here was the right one: it may be newer, or an old
        one replaced under its id. Raises Unavailable where there have never been any keys.
        """
        if self._clock() >= self._due:
            self._refresh()
        here = self._fitting(key_id, algorithm)
        yield from here
        self._refresh()
        yield from (key for key in self._fitting(key_id, algorithm) if key not in here)
        if not self._keys:
            raise Unavailable.token_keys()

    def _fitting(self, key_id: str | None, algorithm: str) -> tuple[Key, ...]:
        fitting = (key for key in self._keys if algorithm in key.algorithms and key_id in (None, key.id))
        return tuple(islice(fitting, MAX_CANDIDATES))

    def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago."""
        with self._lock:
            now = self._clock()
            if now < self._not_before:
                return
            self._not_before = now + self._pause
            try:
                self._keys = parse(self._fetch())
            except (EndpointFailed, ValueError) as error:
                log.warning(
                    "the keys could not be fetched",
                    extra={"action": "fetch_keys", "reason": str(error), "kept": len(self._keys)},
                )
                return
            self._due = now + self._interval
            log.info("the keys were fetched", extra={"action": "fetch_keys", "keys": len(self._keys)})


def fetch_from(url: str) -> Callable[[], bytes]:
    """A function that fetches a key set from a URL; it raises EndpointFailed."""

    def fetch() -> bytes:
        status, body = ask_endpoint(url, "GET", seconds=FETCH_SECONDS)
        if status != 200:
            raise EndpointFailed(f"status {status}")
        return body

    return fetch


def parse(text: bytes) -> tuple[Key, ...]:
    """The usable keys of a key set. Raises ValueError where there are none."""
    content = strict_json.loads(text)
    members = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(members, list):
        raise ValueError("it is no JSON Web Key Set")
    keys = tuple(key for member in members if isinstance(member, dict) and (key := _key(member)))
    if not keys:
        raise ValueError("no key in it can be used")
    return keys


def _key(member: Mapping[str, Any]) -> Key | None:
    """A member of a key set; None where it is not for verifying signatures, or cannot be understood."""
    operations = member.get("key_ops")
    if member.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    kind, curve, own = member.get("kty"), member.get("crv"), member.get("alg")
    algorithms = _OF_KEYS.get(("RSA", None) if kind == "RSA" else (str(kind), str(curve)), frozenset())
    if own is not None:
        algorithms &= {str(own)}
    if not algorithms:
        return None
    # No private part, should the issuer have published it.
    public = {name: member[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in member}
    try:
        key = get_default_algorithms()[min(algorithms)].from_jwk(public)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError) as error:
        log.warning(
            "a key cannot be understood", extra={"action": "fetch_keys", "reason": type(error).__name__, "kty": kind}
        )
        return None
    if kind == "RSA" and key.key_size < MIN_RSA_BITS:
        log.warning("a key is too short", extra={"action": "fetch_keys", "bits": key.key_size})
        return None
    key_id = member.get("kid")
    return Key(id=key_id if isinstance(key_id, str) else None, algorithms=algorithms, key=key)
