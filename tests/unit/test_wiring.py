"""Settings: typed, with defaults, and clear about what is wrong."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta

import pytest

from task_service.adapters.template_cache import TemplateCache
from task_service.domain.policy import Policy
from task_service.testing import FakeClock, InMemoryPlatform
from task_service.wiring.identity_settings import AuthSettings, OAuthSettings
from task_service.wiring.outside import RealOutside
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import Services, from_settings
from task_service.wiring.settings import Settings

NEEDED = {"TABLE_NAME": "t", "QUEUE_URL": "q", "BUCKET_NAME": "b"}


def made(settings: Mapping[str, str] | None = None) -> Services:
    """The services of a deployment with these settings, on fakes."""
    return Services(settings=Settings.from_environment(NEEDED | dict(settings or {})), platform=InMemoryPlatform())


def outside(settings: Settings) -> RealOutside:
    """What a deployment with these settings calls outside its platform."""
    platform, clock = InMemoryPlatform(), FakeClock()
    policies = TemplateCache(templates=platform.policies, parse=Policy.from_text, clock=clock, keep=timedelta())
    return RealOutside(settings=settings, platform=platform, stored_policies=lambda: policies, clock=clock)


def test_what_is_not_set_has_a_default() -> None:
    settings = Settings.from_environment(NEEDED)
    assert (settings.table, settings.queue_url, settings.bucket) == ("t", "q", "b")
    assert not settings.template_writes
    assert settings.template_cache == timedelta(seconds=30)
    assert settings.retention == timedelta(days=30)
    assert settings.idempotency == timedelta(hours=24)
    assert settings.max_task_retries == 10
    assert settings.executor_timeout == timedelta(seconds=60)
    assert settings.policy_timeout == timedelta(seconds=5)
    assert (settings.policy_address, settings.cache_address) == ("", "")


def test_what_is_set_is_used() -> None:
    settings = Settings.from_environment(
        NEEDED
        | {
            "TEMPLATE_WRITES": "on",
            "TEMPLATE_CACHE_SECONDS": "0",
            "RETENTION_DAYS": "7",
            "IDEMPOTENCY_HOURS": "168",
            "EXECUTOR_MAX_TASK_RETRIES": "2",
            "EXECUTOR_TIMEOUT_SECONDS": "20",
        }
    )
    assert settings.template_writes
    assert settings.template_cache == timedelta()
    assert settings.retention == timedelta(days=7)
    assert settings.idempotency == timedelta(hours=168)
    assert settings.max_task_retries == 2
    assert settings.executor_timeout == timedelta(seconds=20)


def test_an_empty_setting_is_not_set() -> None:
    assert Settings.from_environment(NEEDED | {"RETENTION_DAYS": ""}).retention == timedelta(days=30)


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("RETENTION_DAYS", "soon", "retention"),
        ("RETENTION_DAYS", "-1", "retention"),
        ("IDEMPOTENCY_HOURS", "0", "idempotency"),
        ("IDEMPOTENCY_HOURS", "169", "idempotency"),
        ("IDEMPOTENCY_HOURS", "nan", "idempotency"),
        ("TEMPLATE_WRITES", "maybe", "template_writes"),
        ("POLICY_ADDR", "policy:8080", "policy_address"),
        ("CACHE_ADDR", "cache:8080", "cache_address"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_named(name: str, value: str, setting: str) -> None:
    settings = Settings.from_environment(NEEDED | {name: value})
    with pytest.raises(ValueError, match=f"{name} is '{value}'"):
        getattr(settings, setting)


def test_the_policy_service_has_an_address_without_a_slash_at_its_end() -> None:
    settings = Settings.from_environment(
        NEEDED | {"POLICY_ADDR": "https://policy:8080/", "POLICY_TIMEOUT_SECONDS": "2"}
    )
    assert settings.policy_address == "https://policy:8080"
    assert settings.policy_timeout == timedelta(seconds=2)


def test_a_key_is_kept_no_longer_than_what_it_stands_for() -> None:
    settings = {"IDEMPOTENCY_HOURS": "100", "RETENTION_DAYS": "2"}
    assert made(settings).keyed_creator.keep == timedelta(days=2)
    assert made().keyed_creator.keep == timedelta(hours=24)


def test_a_setting_that_is_missing_is_named_where_it_is_needed() -> None:
    settings = Settings.from_environment({"TABLE_NAME": "t", "QUEUE_URL": ""})
    assert settings.table == "t"
    with pytest.raises(KeyError, match="QUEUE_URL"):
        _ = settings.queue_url


def test_only_public_addresses_are_open_unless_a_setting_opens_others() -> None:
    assert Settings.from_environment(NEEDED).egress_allow == ""
    assert Settings.from_environment(NEEDED | {"EGRESS_ALLOW": "10.0.0.0/8"}).egress_allow == "10.0.0.0/8"


AUTH = {"AUTH_ENABLED": "true", "AUTH_JWK_URL": "https://issuer.example/keys"}


def test_everybody_is_let_in_unless_authentication_is_on() -> None:
    assert Settings.from_environment(NEEDED).auth is None
    # As deployed by the template: the other settings are there all the same.
    off = AUTH | {"AUTH_ENABLED": "off", "AUTH_JWK_URL": "", "AUTH_REFRESH_INTERVAL": "1h"}
    assert Settings.from_environment(NEEDED | off).auth is None
    assert made().authorizer is None


def test_authentication_has_defaults() -> None:
    auth = Settings.from_environment(NEEDED | AUTH).auth
    assert auth == AuthSettings(jwk_url="https://issuer.example/keys", refresh_interval=timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("30s", 30), ("1h30m", 5400), ("1.5h", 5400), ("90", 90), ("1m30.5s", 90.5), ("2500ms", 2.5)],
)
def test_the_refresh_interval_is_a_duration_as_in_go_or_seconds(text: str, seconds: float) -> None:
    auth = Settings.from_environment(NEEDED | AUTH | {"AUTH_REFRESH_INTERVAL": text}).auth
    assert auth is not None
    assert auth.refresh_interval == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AUTH_JWK_URL", "", "AUTH_JWK_URL is not set, AUTH_ENABLED needs it"),
        ("AUTH_JWK_URL", "issuer.example/keys", "AUTH_JWK_URL is not a URL"),
        ("AUTH_JWK_URL", "file:///etc/keys", "AUTH_JWK_URL is not a URL"),
        ("AUTH_JWK_URL", "http://", "AUTH_JWK_URL is not a URL"),
        ("AUTH_JWK_URL", "http://[::1", "AUTH_JWK_URL is not a URL"),
        ("AUTH_REFRESH_INTERVAL", "1 hour", "AUTH_REFRESH_INTERVAL is '1 hour', a duration"),
        ("AUTH_REFRESH_INTERVAL", "1h1", "AUTH_REFRESH_INTERVAL is '1h1', a duration"),
        ("AUTH_REFRESH_INTERVAL", "-1h", "AUTH_REFRESH_INTERVAL is '-1h', a duration"),
        ("AUTH_REFRESH_INTERVAL", "9" * 30, "AUTH_REFRESH_INTERVAL is '9+', a duration"),
        ("AUTH_REFRESH_INTERVAL", "0", "AUTH_REFRESH_INTERVAL is '0', at least a second"),
        ("AUTH_REFRESH_INTERVAL", "10ms", "AUTH_REFRESH_INTERVAL is '10ms', at least a second"),
        ("AUTH_ADMIN_SCOPE", "a b", "AUTH_ADMIN_SCOPE is 'a b', one scope is expected"),
        ("AUTH_ADMIN_SCOPE", 'a"b', "AUTH_ADMIN_SCOPE is 'a\"b', one scope is expected"),
        ("AUTH_ENABLED", "perhaps", "AUTH_ENABLED is 'perhaps', on or off is expected"),
    ],
)
def test_what_is_wrong_about_authentication_is_named(name: str, value: str, message: str) -> None:
    settings = Settings.from_environment(NEEDED | AUTH | {name: value})
    with pytest.raises(ValueError, match=message):
        _ = settings.auth


def test_what_no_function_uses_is_not_imported() -> None:
    script = (
        "import sys; from task_service.entrypoints.api.app import Api\n"
        "from task_service.wiring.services import from_settings; from task_service.wiring.settings import Settings\n"
        "assert from_settings(Settings({'TABLE_NAME': 't', 'QUEUE_URL': 'q', 'BUCKET_NAME': 'b'})).authorizer is None\n"
        "ours = {'entrypoints.api.tasks', 'entrypoints.api.cancel_and_replay', 'entrypoints.api.prefer',"
        " 'usecases.wait', 'domain.search', 'usecases.create_once', 'domain.idempotency',"
        " 'domain.task_list'}\n"
        "import importlib.util; assert all(importlib.util.find_spec(f'task_service.{name}') for name in ours)\n"
        "unused = {'jwt', 'cryptography', 'requests', 'pydantic', 'aws_lambda_powertools.event_handler',"
        " *(f'task_service.{name}' for name in ours)}\n"
        "print(unused & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": "layers/core"}, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("set()\n", "")


OAUTH = AUTH | {
    "OAUTH_TOKEN_URL": "https://issuer.example/token",
    "OAUTH_CLIENT_ID": "task",
    "OAUTH_CLIENT_SECRET_NAME": "task/secret",
}


def test_the_services_that_we_call_get_a_token_where_there_is_one() -> None:
    assert Settings.from_environment(NEEDED | OAUTH).oauth == OAuthSettings(
        token_url="https://issuer.example/token",
        client_id="task",
        secret_store="secretsmanager",
        secret_name="task/secret",
    )
    for off in ({"OAUTH_TOKEN_URL": ""}, {"AUTH_ENABLED": "off"}):
        settings = Settings.from_environment(NEEDED | OAUTH | off)
        assert settings.oauth is None
        assert outside(settings).service_token is None
    assert outside(Settings.from_environment(NEEDED | OAUTH)).service_token is not None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OAUTH_TOKEN_URL", "issuer.example", "OAUTH_TOKEN_URL is not a URL"),
        ("OAUTH_CLIENT_ID", "", "OAUTH_CLIENT_ID is not set, OAUTH_TOKEN_URL needs it"),
        ("OAUTH_CLIENT_SECRET_NAME", "", "OAUTH_CLIENT_SECRET_NAME is not set, OAUTH_TOKEN_URL needs it"),
        ("OAUTH_CLIENT_SECRET_STORE", "vault", "OAUTH_CLIENT_SECRET_STORE is 'vault', secretsmanager or ssm"),
    ],
)
def test_what_is_wrong_about_our_own_tokens_is_named(name: str, value: str, message: str) -> None:
    settings = Settings.from_environment(NEEDED | OAUTH | {name: value})
    with pytest.raises(ValueError, match=message):
        _ = settings.oauth


def test_what_is_wrong_about_tokens_of_clients_does_not_keep_our_own_from_being_got() -> None:
    variables = {name: value for name, value in OAUTH.items() if name != "AUTH_JWK_URL"}
    settings = Settings.from_environment(NEEDED | variables)
    assert settings.oauth is not None
    with pytest.raises(ValueError, match="AUTH_JWK_URL is not set, AUTH_ENABLED needs it"):
        _ = settings.auth


# -- own servers

OWN = {"DATABASE_URL": "postgresql://user:s3cret@db.example/tasks?sslmode=verify-full"}


def test_a_database_url_chooses_the_platform_and_nothing_of_aws_is_needed_or_imported() -> None:
    script = (
        "import sys; from task_service.wiring.services import from_settings\n"
        "from task_service.wiring.settings import Settings\n"
        f"services = from_settings(Settings({OWN}))\n"
        "services.task_creator, services.message_handler, services.waiter, services.readiness\n"
        "print(type(services.platform).__name__, sorted({'botocore', 'boto3'} & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": "layers/core"}, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("PostgresPlatform []\n", "")


def test_own_servers_are_set_up_by_the_environment() -> None:
    platform = from_settings(Settings(OWN)).platform
    assert isinstance(platform, PostgresPlatform)
    assert (platform.database.conninfo, platform.database.pool_size) == (OWN["DATABASE_URL"], 10)
    assert platform.listening is None
    more = {"DATABASE_POOL_SIZE": "4", "LISTEN_DATABASE_URL": "postgresql://direct.example/tasks"}
    platform = from_settings(Settings(OWN | more)).platform
    assert isinstance(platform, PostgresPlatform)
    assert platform.database.pool_size == 4
    assert platform.listening is not None
    assert platform.listening.conninfo == "postgresql://direct.example/tasks"
    assert "s3cret" not in repr(platform)


@pytest.mark.parametrize("size", ["0", "-1", "many", "2.5"])
def test_a_pool_has_at_least_one_connection(size: str) -> None:
    with pytest.raises(ValueError, match=r"DATABASE_POOL_SIZE is '.*', a whole number from 1 is expected"):
        _ = Settings({"DATABASE_POOL_SIZE": size}).database_pool_size


def test_on_own_servers_the_clients_secret_is_in_the_environment() -> None:
    variables = {name: value for name, value in OAUTH.items() if name != "OAUTH_CLIENT_SECRET_NAME"} | OWN
    with pytest.raises(ValueError, match="OAUTH_CLIENT_SECRET is not set, OAUTH_TOKEN_URL needs it"):
        _ = Settings(variables).oauth
    settings = Settings(variables | {"OAUTH_CLIENT_SECRET": "s3cret"})
    assert settings.oauth is not None
    assert (settings.oauth.secret_store, settings.oauth.secret_name) == ("environment", "OAUTH_CLIENT_SECRET")
    platform = from_settings(settings).platform
    secret = platform.secret(settings.oauth)
    secret.forget()
    assert secret() == "s3cret"
    assert "s3cret" not in repr(platform)
