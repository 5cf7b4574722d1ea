"""taskctl, run within the process of the test: most of what a process of its own costs is starting it."""

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from taskctl.app import app


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


def taskctl(
    url: str, *arguments: str, stdin: str | bytes | None = None, encoding: str = "utf-8", **environment: str
) -> Ran:
    """Run a command against a service; the terminal has this encoding."""
    done = CliRunner(charset=encoding).invoke(
        app, list(arguments), input=stdin, env={"TASKCTL_URL": url, **environment}
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(code=done.exit_code, out=done.stdout, err=done.stderr)
