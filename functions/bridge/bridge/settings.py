"""What can be set, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting is missing or cannot be understood; the message names it, and never shows a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NatsSettings:
    """Where NATS is, who we are there, and what we listen to."""

    servers: tuple[str, ...] = field(default=("nats://localhost:4222",), repr=False)
    subject: str = "external"
    queue_group: str = "task-service"
    """The bridges of one group share the events."""
    stream: str | None = None
    """The JetStream stream; None: core NATS."""
    durable: str = "task-service"
    ack_wait_seconds: float = 30
    """When JetStream delivers an event again that no bridge has acknowledged."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials_file: str | None = None
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of a bridge."""

    queue_url: str = ""
    """The event queue in SQS."""
    database_url: str = field(default="", repr=False)
    """The database of the event queue in PostgreSQL; empty: the queue is SQS's."""
    nats: NatsSettings = NatsSettings()
    region: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    buffer_events: int = 100_000
    buffer_bytes: int = 100_000_000
    stop_seconds: float = 6
    """How long a stop may take to send what is buffered. `docker stop` kills a container after 10 seconds, ECS and
    Kubernetes after 30; the rest is for giving events back to NATS."""
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings of this process. Raises SettingsError."""
        given = {name: value for name, value in environment.items() if value}
        if "EVENT_QUEUE_URL" not in given and "DATABASE_URL" not in given:
            raise SettingsError(
                "EVENT_QUEUE_URL is not set: the event queue's URL (output EventQueueUrl of the stack),"
                " or DATABASE_URL where the queue is in PostgreSQL"
            )
        if "EVENT_QUEUE_URL" in given and "DATABASE_URL" in given:
            raise SettingsError("EVENT_QUEUE_URL and DATABASE_URL are set; one of them is expected")
        level = given.get("LOG_LEVEL", "INFO").upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            raise SettingsError(f"LOG_LEVEL is {level!r}; DEBUG, INFO, WARNING, ERROR or CRITICAL is expected")
        default = cls()
        return cls(
            queue_url=given.get("EVENT_QUEUE_URL", ""),
            database_url=given.get("DATABASE_URL", ""),
            nats=_nats(given),
            region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
            host=given.get("BRIDGE_HOST", default.host),
            port=int(_number(given, "BRIDGE_PORT", default.port, most=65_535)),
            buffer_events=int(_number(given, "BRIDGE_BUFFER_EVENTS", default.buffer_events, least=1)),
            buffer_bytes=int(_number(given, "BRIDGE_BUFFER_BYTES", default.buffer_bytes, least=1)),
            stop_seconds=_number(given, "BRIDGE_STOP_SECONDS", default.stop_seconds),
            log_level=level,
        )


def _nats(given: Mapping[str, str]) -> NatsSettings:
    default = NatsSettings()
    _check_together(given)
    return NatsSettings(
        servers=_servers(given["NATS_ADDR"]) if "NATS_ADDR" in given else default.servers,
        subject=_word(given, "NATS_SUBJECT", default.subject),
        queue_group=_word(given, "NATS_QUEUE_GROUP", default.queue_group),
        stream=_word(given, "NATS_STREAM", "") or None,
        durable=_word(given, "NATS_DURABLE", default.durable),
        ack_wait_seconds=_number(given, "NATS_ACK_WAIT_SECONDS", default.ack_wait_seconds, least=0.1),
        user=given.get("NATS_USER"),
        password=given.get("NATS_PASSWORD"),
        token=given.get("NATS_TOKEN"),
        credentials_file=_file(given, "NATS_CREDS_FILE"),
        tls_ca=_file(given, "NATS_TLS_CA"),
        tls_certificate=_file(given, "NATS_TLS_CERT"),
        tls_key=_file(given, "NATS_TLS_KEY"),
    )


def _check_together(given: Mapping[str, str]) -> None:
    identities = [name for name in ("NATS_USER", "NATS_TOKEN", "NATS_CREDS_FILE") if name in given]
    if len(identities) > 1:
        raise SettingsError(f"{' and '.join(identities)} are set; one of them is expected")
    for one, other in (("NATS_USER", "NATS_PASSWORD"), ("NATS_TLS_CERT", "NATS_TLS_KEY")):
        if (one in given) != (other in given):
            raise SettingsError(f"{one} and {other} belong together; one of them is not set")


def _servers(text: str) -> tuple[str, ...]:
    """Addresses, separated by commas; without a scheme it is nats."""
    servers = tuple(server if "://" in server else f"nats://{server}" for server in map(str.strip, text.split(",")))
    for server in servers:
        try:
            parts = urlsplit(server)
            fine = parts.scheme in ("nats", "tls", "ws", "wss") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fine = False
        if not fine:
            # It may hold a password.
            raise SettingsError("NATS_ADDR is not an address: nats://host:4222, tls://host:4222 or several is expected")
    return servers


def _word(given: Mapping[str, str], name: str, default: str) -> str:
    word = given.get(name, default)
    if any(character.isspace() or not character.isprintable() for character in word):
        raise SettingsError(f"{name} is {word!r}; white space and control characters are not part of it")
    return word


def _file(given: Mapping[str, str], name: str) -> str | None:
    path = given.get(name)
    if path is not None and not Path(path).is_file():
        raise SettingsError(f"{name} is {path!r}, which is no file")
    return path


def _number(
    given: Mapping[str, str], name: str, default: float, *, least: float = 0, most: float = float("inf")
) -> float:
    text = given.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most or number == float("inf"):
        raise SettingsError(f"{name} is {text!r}; a number from {least:g} is expected")
    return number
