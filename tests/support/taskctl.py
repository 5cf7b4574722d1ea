"""taskctl, run within the process of the test: most of what a process of its own costs is starting it."""

import json
import sys
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from taskctl.app import app

COMMAND: Final = get_command(app)
"""Made once: making it costs more than most of what the tests run."""


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
    runner = CliRunner(charset=encoding)
    with runner.isolation(input=stdin, env={"TASKCTL_URL": url, **environment}) as (out, err, _):
        with pytest.raises(SystemExit) as ended:
            COMMAND.main(args=arguments, prog_name=app.info.name)
        sys.stdout.flush()
        code = ended.value.code
        assert isinstance(code, int)
        return Ran(code=code, out=_text(out, encoding), err=_text(err, encoding))


def _text(stream: BytesIO, encoding: str) -> str:
    return stream.getvalue().decode(encoding).replace("\r\n", "\n")
