"""The local cloud as a program, run from a copy of the project that a test may edit."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws import Endpoint
from local.environment import PROJECT
from local.ports import claim

WITHIN_SECONDS = 30.0
PORT_VARIABLES = ("CLOUD_PORT", "TASK_PORT", "TARGET_PORT", "NATS_PORT", "BRIDGE_PORT")


def processes_below(pid: int) -> set[int]:
    """The process and all that it has started, directly or not."""
    found, unread = set[int](), [pid]
    while unread:
        found.add(parent := unread.pop())
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            unread.extend(int(child) for child in children.read_text().split())
    return found


def is_running(pid: int) -> bool:
    """Whether the process does anything any more; it may wait to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


class Copy:
    """A copy of the project, and the program `python -m local` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        for name in ("local", "functions", "layers", "host"):
            shutil.copytree(PROJECT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "template.yaml", self.folder)
        # Libraries that are installed already are not installed again.
        (PROJECT / ".build").mkdir(exist_ok=True)
        (self.folder / ".build").symlink_to(PROJECT / ".build")
        self.ports = {name: str(claim(0, name)) for name in PORT_VARIABLES}
        self.api_url = f"http://127.0.0.1:{self.ports['TASK_PORT']}"
        self.endpoint = Endpoint(url=f"http://127.0.0.1:{self.ports['CLOUD_PORT']}")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that a file has."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")

    def begin(self, command: str, **settings: str) -> subprocess.Popen[str]:
        """Start the program, with these settings in its environment."""
        # Another test of this process may have an AWS_ENDPOINT_URL there.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**inherited, "TMPDIR": str(self.temporary), **self.ports, **settings}
        return subprocess.Popen(
            [sys.executable, "-m", "local", command],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, command: str, **settings: str) -> tuple[int, str, str]:
        """Run the program to its end: exit code, output and errors."""
        with self.begin(command, **settings) as process:
            output, errors = process.communicate(timeout=WITHIN_SECONDS)
        return process.returncode, output, errors


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.fixture
def running(copy: Copy) -> Iterator[subprocess.Popen[str]]:
    """`python -m local run` in the copy, ready; a test that does not end it has it ended."""
    with copy.begin("run", LOG_LEVEL="DEBUG") as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
            else:
                assert process.stderr is not None
                pytest.fail(f"the local cloud did not start: {process.stderr.read()}")
            yield process
        finally:
            process.terminate()
