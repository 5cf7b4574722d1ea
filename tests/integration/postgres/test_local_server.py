"""A PostgreSQL in its folder: what a killed one has left there, and what the folder may be called."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local.environment import PROJECT
from local.postgres import forget_killed
from tests.support.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called postgres."""
    program = tmp_path / "postgres"
    sleep = shutil.which("sleep")
    assert sleep is not None
    shutil.copy(sleep, program)
    with subprocess.Popen([program, "60"]) as process:
        (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
        wait_until(lambda: psutil.Process(process.pid).name() == "postgres")
        yield process
        process.kill()


def test_a_server_that_runs_is_left_alone(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    forget_killed(tmp_path)
    assert (tmp_path / "postmaster.pid").exists()


def test_one_that_was_killed_is_forgotten_before_its_parent_takes_note(
    tmp_path: Path, server: subprocess.Popen[bytes]
) -> None:
    server.kill()
    wait_until(lambda: psutil.Process(server.pid).status() == psutil.STATUS_ZOMBIE)
    forget_killed(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


@pytest.mark.parametrize("text", ["", "x", "0", "999999999\n"])
def test_a_file_that_names_no_server_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    forget_killed(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_the_folder_may_have_any_name() -> None:
    # Not pytest's, which is closed to the user as whom the server runs where the tests run as root.
    with (
        tempfile.TemporaryDirectory(prefix="it's mine $1 ") as folder,
        tempfile.TemporaryDirectory(prefix="task-service-") as temporary,
    ):
        url_file = Path(temporary) / "url"
        command = [sys.executable, "-m", "local.postgres", str(Path(folder) / "data"), str(url_file)]
        # It ends with its standard input.
        with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE) as process:
            wait_until(lambda: url_file.exists() or process.poll() is not None)
            with psycopg.connect(url_file.read_text()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
