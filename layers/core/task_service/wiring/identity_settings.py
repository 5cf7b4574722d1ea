"""The settings about identity: whose tokens are accepted, and where our own come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

OAUTH_CLIENT_SECRET: Final = "OAUTH_CLIENT_SECRET"
"""The variable with the secret itself, on own servers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthSettings:
    """Whose tokens the API accepts."""

    jwk_url: str
    refresh_interval: timedelta = timedelta(hours=1)
    audience: str = ""
    issuer: str = ""
    admin_scope: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "AuthSettings":
        """The settings of an environment with AUTH_ENABLED on. Raises ValueError, naming the variable."""
        return cls(
            jwk_url=url(environment, "AUTH_JWK_URL", needed_by="AUTH_ENABLED"),
            refresh_interval=_interval(environment, "AUTH_REFRESH_INTERVAL", default="1h"),
            audience=environment.get("AUTH_AUDIENCE") or "",
            issuer=environment.get("AUTH_ISSUER") or "",
            admin_scope=_scope(environment, "AUTH_ADMIN_SCOPE"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthSettings:
    """Where the tokens come from that the policy service and the cache service accept."""

    token_url: str
    client_id: str
    secret_store: str
    """Where the client's secret is: secretsmanager or ssm; on own servers, environment."""
    secret_name: str
    """Its name there."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "OAuthSettings | None":
        """The settings of an environment; None: there is no OAUTH_TOKEN_URL. Raises ValueError, naming the variable."""
        if not environment.get("OAUTH_TOKEN_URL"):
            return None
        store, name = _client_secret(environment)
        return cls(
            token_url=url(environment, "OAUTH_TOKEN_URL", needed_by="OAUTH_TOKEN_URL"),
            client_id=needed(environment, "OAUTH_CLIENT_ID", needed_by="OAUTH_TOKEN_URL"),
            secret_store=store,
            secret_name=name,
        )


def _client_secret(environment: Mapping[str, str]) -> tuple[str, str]:
    """Where the client's secret is, and its name there."""
    if environment.get("DATABASE_URL"):
        needed(environment, OAUTH_CLIENT_SECRET, needed_by="OAUTH_TOKEN_URL")
        return "environment", OAUTH_CLIENT_SECRET
    store = environment.get("OAUTH_CLIENT_SECRET_STORE") or "secretsmanager"
    if store not in ("secretsmanager", "ssm"):
        raise ValueError(f"OAUTH_CLIENT_SECRET_STORE is {store!r}, secretsmanager or ssm is expected")
    return store, needed(environment, "OAUTH_CLIENT_SECRET_NAME", needed_by="OAUTH_TOKEN_URL")


def needed(environment: Mapping[str, str], name: str, *, needed_by: str) -> str:
    """A variable that has to be set. Raises ValueError."""
    if not (value := environment.get(name)):
        raise ValueError(f"{name} is not set, {needed_by} needs it")
    return value


def url(environment: Mapping[str, str], name: str, *, needed_by: str) -> str:
    """A variable that has to be an HTTP URL. Raises ValueError."""
    text = needed(environment, name, needed_by=needed_by)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        # Not the text: a URL can have a password in it.
        raise ValueError(f"{name} is not a URL that begins with http:// or https://")
    return text


_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER: Final = r"(\d+\.?\d*|\.\d+)"
_PART: Final = re.compile(rf"{_NUMBER}(ns|us|µs|μs|ms|s|m|h)")


def duration(text: str) -> timedelta:
    """A duration: seconds, or what Go writes, such as 1h30m or 1.5s. Raises ValueError."""
    if re.fullmatch(_NUMBER, text):
        return timedelta(seconds=float(text))
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise ValueError(f"{text!r} is no duration")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def _interval(environment: Mapping[str, str], name: str, *, default: str) -> timedelta:
    text = environment.get(name) or default
    try:
        interval = duration(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is {text!r}, a duration such as 1h or 30s is expected, or seconds") from None
    if interval < timedelta(seconds=1):
        raise ValueError(f"{name} is {text!r}, at least a second is expected")
    return interval


def _scope(environment: Mapping[str, str], name: str) -> str:
    scope = environment.get(name) or ""
    # RFC 6749, 3.3.
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]*", scope):
        raise ValueError(f"{name} is {scope!r}, one scope is expected")
    return scope
