"""What a deployment can set, read from a function's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from task_service.wiring.identity_settings import AuthSettings, OAuthSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a deployment can set."""

    table: str
    queue_url: str
    bucket: str
    template_writes: bool = False
    template_cache: timedelta = timedelta(seconds=30)
    retention: timedelta = timedelta(days=30)
    idempotency: timedelta = timedelta(hours=24)
    """How long an idempotency key is kept; never longer than what it stands for."""
    max_task_retries: int = 10
    executor_timeout: timedelta = timedelta(seconds=60)
    policy_address: str = ""
    """Where the policy service is; empty: policies are evaluated here."""
    policy_timeout: timedelta = timedelta(seconds=5)
    cache_address: str = ""
    """Of the cache service; empty: there is none."""
    egress_allow: str = ""
    auth: AuthSettings | None = None
    """None: everybody is let in."""
    oauth: OAuthSettings | None = None
    """None: the policy service and the cache service are called without a token."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of a function's environment. Raises KeyError or ValueError, naming the variable."""
        return cls(
            table=environment["TABLE_NAME"],
            queue_url=environment["QUEUE_URL"],
            bucket=environment["BUCKET_NAME"],
            template_writes=_switch(environment, "TEMPLATE_WRITES", default=False),
            template_cache=timedelta(seconds=_number(environment, "TEMPLATE_CACHE_SECONDS", default=30)),
            retention=timedelta(days=_number(environment, "RETENTION_DAYS", default=30)),
            idempotency=timedelta(hours=_hours(environment, "IDEMPOTENCY_HOURS", default=24, most=168)),
            max_task_retries=int(_number(environment, "EXECUTOR_MAX_TASK_RETRIES", default=10)),
            executor_timeout=timedelta(seconds=_number(environment, "EXECUTOR_TIMEOUT_SECONDS", default=60)),
            policy_address=_address(environment, "POLICY_ADDR"),
            policy_timeout=timedelta(seconds=_number(environment, "POLICY_TIMEOUT_SECONDS", default=5)),
            cache_address=_address(environment, "CACHE_ADDR"),
            egress_allow=environment.get("EGRESS_ALLOW") or "",
            **_identity(environment),
        )


def _identity(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings about identity: as in the first generation, AUTH_ENABLED is for both directions."""
    if not _switch(environment, "AUTH_ENABLED", default=False):
        return {}
    from task_service.wiring.identity_settings import AuthSettings, OAuthSettings

    return {
        "auth": AuthSettings.from_environment(environment),
        "oauth": OAuthSettings.from_environment(environment),
    }


def _number(environment: Mapping[str, str], name: str, *, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, a number is expected") from None
    if number < 0:
        raise ValueError(f"{name} is {text!r}, it cannot be negative")
    return number


def _hours(environment: Mapping[str, str], name: str, *, default: float, most: float) -> float:
    hours = _number(environment, name, default=default)
    if not 1 <= hours <= most:
        raise ValueError(f"{name} is {environment[name]!r}, a number from 1 to {most:.0f} is expected")
    return hours


def _address(environment: Mapping[str, str], name: str) -> str:
    """An HTTP address without a slash at its end; empty where there is none."""
    address = (environment.get(name) or "").rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ValueError(f"{name} is {address!r}, http://host… or https://host… is expected")
    return address


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name) or ("on" if default else "off")
    if text.lower() not in ("on", "off", "true", "false"):
        raise ValueError(f"{name} is {text!r}, on or off is expected")
    return text.lower() in ("on", "true")
