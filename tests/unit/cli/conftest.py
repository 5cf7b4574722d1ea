"""What the tests of taskctl share: the command, and two kinds of services that it talks to over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from taskctl.app import app
from tests.support.http_front import HttpFront
from tests.support.targets import HttpTarget
from tests.unit.test_api import World


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command has written, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it has written as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it has written as lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def taskctl(url: str, *arguments: str, stdin: str | None = None, **environment: str) -> Ran:
    """Run a command against a service."""
    done = CliRunner().invoke(app, list(arguments), input=stdin, env={"TASKCTL_URL": url, **environment})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(code=done.exit_code, out=done.stdout, err=done.stderr)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person who runs the tests, and no pause before a read is repeated."""
    monkeypatch.setattr("taskctl.api._GET_PAUSES", (0.0, 0.0))
    for name in ("TASKCTL_TOKEN", "TASKCTL_PROFILE", "TASKCTL_CA_FILE", "NATS_ADDR", "NATS_SUBJECT", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TASKCTL_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def world() -> World:
    """The API on fakes."""
    return World()


@pytest.fixture
def service(world: World) -> Iterator[str]:
    """The address at which the API on fakes is served."""

    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 28_000)

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        try:
            return world.api.resolve(event, context)
        finally:
            world.metrics.clear_metrics()

    with HttpFront(answer) as front:
        yield front.url


@pytest.fixture
def scripted() -> Iterator[HttpTarget]:
    """A service that behaves as a test says."""
    with HttpTarget() as target:
        yield target
