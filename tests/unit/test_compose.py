"""The Compose file of own servers, held against the programs that it starts."""

from typing import Any

import pytest
import yaml

from host.settings import Settings
from tests.support.documents import PROJECT
from tests.support.environments import known_variables

FILE = PROJECT / "host" / "compose.yaml"
HOSTS = ("migrate", "api", "worker")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, with what they have in common merged into each."""
    services: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    return services


def test_every_variable_is_one_that_the_program_reads(services: dict[str, Any]) -> None:
    for name in HOSTS:
        assert set(services[name]["environment"]) - known_variables("host") == set()
    assert set(services["bridge"]["environment"]) - known_variables("bridge") == set()


def test_our_containers_can_change_nothing_but_their_temporary_files(services: dict[str, Any]) -> None:
    for name in (*HOSTS, "bridge"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_nothing_runs_before_the_schema_is_there(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker", "bridge"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_each_service_runs_a_command_of_the_host(services: dict[str, Any]) -> None:
    assert [services[name]["command"] for name in HOSTS] == [["migrate"], ["serve"], ["work"]]


def test_a_host_has_the_time_to_stop(services: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > Settings().stop_seconds


def test_no_password_is_written_down_and_none_goes_without(services: dict[str, Any]) -> None:
    for name in ("postgres", *HOSTS, "bridge"):
        passwords = [value for key, value in services[name]["environment"].items() if "PASSWORD" in key]
        assert [value.startswith("${POSTGRES_PASSWORD:?") for value in passwords] == [True]


def test_only_the_api_answers_outside_and_on_this_machine_only(services: dict[str, Any]) -> None:
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "api": [f"127.0.0.1:8080:{Settings().http_port}"]
    }


def test_the_images_are_built_from_files_that_are_there(services: dict[str, Any]) -> None:
    for name in (*HOSTS, "bridge"):
        build = services[name]["build"]
        context = (FILE.parent / build["context"]).resolve()
        assert (context / build.get("dockerfile", "Dockerfile")).is_file()
