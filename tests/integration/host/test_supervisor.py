"""What the first process of a host does for the others, and what it needs."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from host import supervisor
from host.settings import SettingsError
from local.environment import PROJECT

PRELUDE = f"""
import sys
sys.path[:0] = [{str(PROJECT)!r}, {str(PROJECT / "layers" / "core")!r}]
"""

AS_FIRST_PROCESS = """
import ctypes, subprocess, time
from typing import cast
import psutil
from host.heartbeat import Heartbeats
from host.settings import Settings
from host.supervisor import Supervisor, _Place

# As in a container, it gets the processes that others leave.
ctypes.CDLL(None).prctl(36, 1)
supervisor = Supervisor(settings=Settings(), kinds=())
ours = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
heartbeats = Heartbeats(hangs_after=1)
supervisor._places.append(_Place(kind="worker", process=ours, heartbeats=heartbeats, begun=0))
leaves = "import subprocess; [subprocess.Popen(['true']) for _ in range(3)]"
subprocess.run([sys.executable, "-c", leaves], check=True)
ends = time.monotonic() + 30
while psutil.Process().children() and time.monotonic() < ends:
    supervisor._bury()
    ours.poll()
print(psutil.Process().children(), ours.wait())
"""

MANY_FILES = """
import resource
from host.supervisor import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
allow_files(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
allow_files(512)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
allow_files(513)
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to another process than the first")
def test_what_a_killed_process_leaves_is_buried_and_its_own_are_not() -> None:
    done = run(AS_FIRST_PROCESS)
    assert done.stdout == "[] 7\n", done.stderr


def test_the_files_that_the_connections_need_are_allowed_or_it_says_so() -> None:
    done = run(MANY_FILES)
    assert done.stdout == "(128, 512)\n(512, 512)\n"
    assert "SettingsError: a process may open 512 files here" in done.stderr


def test_a_host_without_a_folder_for_temporary_files_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match="no folder for temporary files that can be written"):
        supervisor._temporary_folder()
