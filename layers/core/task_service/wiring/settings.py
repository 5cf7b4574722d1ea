"""The settings of a deployment, read from a function's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from task_service.wiring.identity_settings import AuthSettings, OAuthSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a deployment; each is read when a service asks for it.

    template.yaml gives each function only the variables that its services read. So a variable that is missing or wrong
    is an error of the services that need it: they get a KeyError or a ValueError that names the variable.
    """

    variables: Mapping[str, str]
    """The environment's variables that are not empty: an empty variable counts as not set."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in an environment."""
        return cls({name: value for name, value in environment.items() if value})

    @property
    def table(self) -> str:
        """Name of the DynamoDB table."""
        return self.variables["TABLE_NAME"]

    @property
    def queue_url(self) -> str:
        """URL of the task queue."""
        return self.variables["QUEUE_URL"]

    @property
    def unreadable_queue_url(self) -> str:
        """URL of the queue of unreadable messages."""
        return self.variables["UNREADABLE_QUEUE_URL"]

    @property
    def bucket(self) -> str:
        """Name of the bucket of large bodies."""
        return self.variables["BUCKET_NAME"]

    @property
    def database_url(self) -> str:
        """How libpq reaches the PostgreSQL database, on own servers; empty: the platform is AWS."""
        return self.variables.get("DATABASE_URL", "")

    @property
    def listen_database_url(self) -> str:
        """How libpq reaches the server itself where DATABASE_URL leads to PgBouncer; empty: it does not."""
        return self.variables.get("LISTEN_DATABASE_URL", "")

    @property
    def database_pool_size(self) -> int:
        """The most connections of a process to the database."""
        text = self.variables.get("DATABASE_POOL_SIZE", "10")
        if not (text.isascii() and text.isdigit() and int(text)):
            raise ValueError(f"DATABASE_POOL_SIZE is {text!r}, a whole number from 1 is expected")
        return int(text)

    @property
    def client_secret(self) -> str:
        """The secret of our OAuth client, on own servers; `oauth` says when it is needed."""
        return self.variables.get("OAUTH_CLIENT_SECRET", "")

    @property
    def template_writes(self) -> bool:
        """Whether the API writes and deletes templates and policies."""
        return _switch(self.variables, "TEMPLATE_WRITES")

    @property
    def template_cache(self) -> timedelta:
        """How long a warm function uses a template or policy before it reads it again."""
        return timedelta(seconds=_number(self.variables, "TEMPLATE_CACHE_SECONDS", default=30))

    @property
    def retention(self) -> timedelta:
        """How long tasks and lists are kept."""
        return timedelta(days=_number(self.variables, "RETENTION_DAYS", default=30))

    @property
    def idempotency(self) -> timedelta:
        """How long an idempotency key is kept; never longer than what it stands for."""
        hours = _number(self.variables, "IDEMPOTENCY_HOURS", default=24)
        if not 1 <= hours <= 168:
            text = self.variables["IDEMPOTENCY_HOURS"]
            raise ValueError(f"IDEMPOTENCY_HOURS is {text!r}, a number from 1 to 168 is expected")
        return timedelta(hours=hours)

    @property
    def trace_new(self) -> bool:
        """Whether a task or a list that is created in no trace gets a new one."""
        return _switch(self.variables, "TRACE_NEW")

    @property
    def max_task_retries(self) -> int:
        """How often a failed attempt is repeated, where the template does not say."""
        return int(_number(self.variables, "EXECUTOR_MAX_TASK_RETRIES", default=10))

    @property
    def executor_timeout(self) -> timedelta:
        """The executor function's timeout."""
        return timedelta(seconds=_number(self.variables, "EXECUTOR_TIMEOUT_SECONDS", default=60))

    @property
    def policy_address(self) -> str:
        """Address of the policy service; empty: the executor evaluates policies itself."""
        return _address(self.variables, "POLICY_ADDR")

    @property
    def policy_timeout(self) -> timedelta:
        """How long the evaluation of an embedded policy may take."""
        return timedelta(seconds=_number(self.variables, "POLICY_TIMEOUT_SECONDS", default=5))

    @property
    def cache_address(self) -> str:
        """Address of the cache service; empty: there is none."""
        return _address(self.variables, "CACHE_ADDR")

    @property
    def egress_allow(self) -> str:
        """Networks and names that tasks may call beside public addresses."""
        return self.variables.get("EGRESS_ALLOW", "")

    @property
    def auth(self) -> AuthSettings | None:
        """Whose tokens the API accepts; None: requests need no token."""
        if not self._auth_enabled:
            return None
        from task_service.wiring.identity_settings import AuthSettings

        return AuthSettings.from_environment(self.variables)

    @property
    def oauth(self) -> OAuthSettings | None:
        """Where tokens for the policy service and the cache service come from; None: they are called without."""
        if not self._auth_enabled:
            return None
        from task_service.wiring.identity_settings import OAuthSettings

        return OAuthSettings.from_environment(self.variables)

    @property
    def _auth_enabled(self) -> bool:
        """Whether tokens are used, for both directions as in the first generation."""
        return _switch(self.variables, "AUTH_ENABLED")


def _number(variables: Mapping[str, str], name: str, *, default: float) -> float:
    text = variables.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, a number is expected") from None
    if number < 0:
        raise ValueError(f"{name} is {text!r}, it cannot be negative")
    return number


def _address(variables: Mapping[str, str], name: str) -> str:
    """An HTTP address without a slash at its end; empty where there is none."""
    address = variables.get(name, "").rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ValueError(f"{name} is {address!r}, http://host… or https://host… is expected")
    return address


def _switch(variables: Mapping[str, str], name: str) -> bool:
    text = variables.get(name, "off")
    if text.lower() not in ("on", "off", "true", "false"):
        raise ValueError(f"{name} is {text!r}, on or off is expected")
    return text.lower() in ("on", "true")
