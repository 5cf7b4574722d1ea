"""Settings: typed, with defaults, and clear about what is wrong."""

from datetime import timedelta

import pytest

from task_service.bootstrap import Settings

NEEDED = {"TABLE_NAME": "t", "QUEUE_URL": "q", "BUCKET_NAME": "b"}


def test_what_is_not_set_has_a_default() -> None:
    settings = Settings.from_environment(NEEDED)
    assert settings == Settings(table="t", queue_url="q", bucket="b")
    assert not settings.template_writes
    assert settings.max_task_retries == 10


def test_what_is_set_is_used() -> None:
    settings = Settings.from_environment(
        NEEDED
        | {
            "TEMPLATE_WRITES": "on",
            "TEMPLATE_CACHE_SECONDS": "0",
            "RETENTION_DAYS": "7",
            "EXECUTOR_MAX_TASK_RETRIES": "2",
            "EXECUTOR_TIMEOUT_SECONDS": "20",
        }
    )
    assert settings.template_writes
    assert settings.template_cache == timedelta()
    assert settings.retention == timedelta(days=7)
    assert settings.max_task_retries == 2
    assert settings.executor_timeout == timedelta(seconds=20)


def test_an_empty_setting_is_not_set() -> None:
    assert Settings.from_environment(NEEDED | {"RETENTION_DAYS": ""}).retention == timedelta(days=30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION_DAYS", "soon"),
        ("RETENTION_DAYS", "-1"),
        ("TEMPLATE_WRITES", "maybe"),
        ("POLICY_ADDR", "policy:8080"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is '{value}'"):
        Settings.from_environment(NEEDED | {name: value})


def test_the_policy_service_has_an_address_without_a_slash_at_its_end() -> None:
    settings = Settings.from_environment(
        NEEDED | {"POLICY_ADDR": "https://policy:8080/", "POLICY_TIMEOUT_SECONDS": "2"}
    )
    assert settings.policy_address == "https://policy:8080"
    assert settings.policy_timeout == timedelta(seconds=2)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(KeyError, match="QUEUE_URL"):
        Settings.from_environment({"TABLE_NAME": "t"})
