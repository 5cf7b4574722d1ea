"""The settings of the host itself; those of the functions are read by the functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from task_service.wiring.identity_settings import duration


class SettingsError(Exception):
    """A setting is missing or cannot be used; the message names it, and never shows a secret."""


LONGEST: Final = 86_400
"""The longest duration that makes sense for any of these settings, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a host serves and works."""

    http_host: str = "127.0.0.1"
    """HTTP_HOST: the address at which API and metrics are served."""
    http_port: int = 8080
    """HTTP_PORT: the API's port."""
    metrics_port: int = 2112
    """METRICS_PORT: the port of /metrics, and of the host's own /liveness and /readiness; 0: they are not served."""
    api_processes: int = 1
    """API_PROCESSES: how many processes serve the API."""
    worker_processes: int = 1
    """WORKER_PROCESSES: how many processes work on the queues."""
    worker_concurrency: int = 20
    """WORKER_CONCURRENCY: tasks that one worker process runs at the same time."""
    connections: int = 1_000
    """HTTP_CONNECTIONS: the most open connections of an api process."""
    waiting: int = 256
    """HTTP_WAITING: the most requests of an api process that wait for a task (Prefer: wait)."""
    header_seconds: float = 10
    """HTTP_HEADER_TIMEOUT: how long a client may take to send the head of a request."""
    body_seconds: float = 30
    """HTTP_READ_TIMEOUT: how long a client may take to send a body."""
    write_seconds: float = 60
    """HTTP_WRITE_TIMEOUT: how long a client may take to receive an answer."""
    idle_seconds: float = 120
    """HTTP_IDLE_TIMEOUT: how long a connection without a request is kept."""
    stop_seconds: float = 25
    """STOP_TIMEOUT: how long a stop may take to finish what runs. Kubernetes kills a pod after 30 seconds."""
    executor_seconds: int = 60
    """EXECUTOR_TIMEOUT_SECONDS: how long the executor may work on one message."""
    visibility_seconds: int = 90
    """VISIBILITY_TIMEOUT_SECONDS: after how long a message of a crashed worker is received again."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings of this process. Raises SettingsError."""
        given = {name: value for name, value in environment.items() if value}
        if "DATABASE_URL" not in given:
            raise SettingsError("DATABASE_URL is not set: postgresql://user@server/database is expected")
        default = cls()
        settings = cls(
            http_host=given.get("HTTP_HOST", default.http_host),
            http_port=_whole(given, "HTTP_PORT", default.http_port, least=1, most=65_535),
            metrics_port=_whole(given, "METRICS_PORT", default.metrics_port, least=0, most=65_535),
            api_processes=_whole(given, "API_PROCESSES", default.api_processes),
            worker_processes=_whole(given, "WORKER_PROCESSES", default.worker_processes),
            worker_concurrency=_whole(given, "WORKER_CONCURRENCY", default.worker_concurrency),
            connections=_whole(given, "HTTP_CONNECTIONS", default.connections),
            waiting=_whole(given, "HTTP_WAITING", default.waiting, least=0),
            header_seconds=_seconds(given, "HTTP_HEADER_TIMEOUT", default.header_seconds),
            body_seconds=_seconds(given, "HTTP_READ_TIMEOUT", default.body_seconds),
            write_seconds=_seconds(given, "HTTP_WRITE_TIMEOUT", default.write_seconds),
            idle_seconds=_seconds(given, "HTTP_IDLE_TIMEOUT", default.idle_seconds),
            stop_seconds=_seconds(given, "STOP_TIMEOUT", default.stop_seconds),
            # Five seconds of it are for writing down how an attempt has ended.
            executor_seconds=_whole(given, "EXECUTOR_TIMEOUT_SECONDS", default.executor_seconds, least=6),
            visibility_seconds=_whole(given, "VISIBILITY_TIMEOUT_SECONDS", default.visibility_seconds),
        )
        if settings.visibility_seconds <= settings.executor_seconds:
            raise SettingsError(
                f"VISIBILITY_TIMEOUT_SECONDS is {settings.visibility_seconds}; "
                f"more than EXECUTOR_TIMEOUT_SECONDS, {settings.executor_seconds}, is expected"
            )
        return settings


def _whole(given: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 999_999_999) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; a whole number from {least} to {most} is expected")
    return int(text)


def _seconds(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name, f"{default:g}")
    try:
        seconds = duration(text).total_seconds()
    except (ValueError, OverflowError):
        seconds = 0
    if not 0 < seconds <= LONGEST:
        raise SettingsError(f"{name} is {text!r}; a duration such as 10s or 1m30s, up to a day, is expected")
    return seconds
