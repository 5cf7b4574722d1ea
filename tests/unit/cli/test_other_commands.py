"""taskctl open, publish-event, --help, completion: what needs no service."""

import builtins
import io
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from taskctl import __version__, screen
from taskctl.app import app
from taskctl.errors import ExitCode
from tests.support.api import eventually
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl

COMMANDS = [
    *("apply", "run", "run-many", "watch", "result", "ls", "cancel", "replay"),
    *("export", "import", "publish-event", "open"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_can_write_json(command: str) -> None:
    ran = taskctl("", command, "--help")
    assert ran.code == 0
    assert "--output" in ran.out
    assert "--url" in ran.out


def test_these_are_the_commands() -> None:
    assert [registered.name for registered in app.registered_commands] == COMMANDS


def test_the_version() -> None:
    assert taskctl("", "--version").out == f"taskctl {__version__}\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("taskctl pu", ["publish-event"]),
        ("taskctl ru", ["run", "run-many"]),
        ("taskctl ls l", ["lists"]),
        ("taskctl ls --st", ["--state"]),
        ("taskctl run --tr", ["--traceparent"]),
        ("taskctl run-many --id", ["--idempotency-key"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(words: str, offered: list[str]) -> None:
    position = str(len(words.split()) - 1)
    ran = taskctl("", _TASKCTL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert ran.out.split() == offered


def test_the_document_explains_every_command() -> None:
    document = (Path(__file__).parents[3] / "docs" / "taskctl.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`taskctl {name}`" not in document] == []


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_whole_values_whatever_a_person_has_set_for_colours(variable: str) -> None:
    script = f"from taskctl.screen import Screen; Screen().table(['ID', 'ERROR'], [['t', {'x' * 200!r}]])"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "cli"), "COLUMNS": "80", variable: "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
    assert "x" * 200 in done.stdout.decode()


def test_open_shows_the_address_of_the_page(scripted: HttpTarget) -> None:
    scripted.on("/base/v1/taskStatus/t", answer(body=b'{"id": "t", "status": "done"}'))
    scripted.on("/base/v1/taskStatus/l", answer(404, b'{"message": "task is not found"}'))
    scripted.on("/base/v1/taskListStatus/l", answer(body=b'{"id": "l", "status": "done", "groups": []}'))
    url = scripted.url("/base/")
    assert taskctl(url, "open", "--print", TASKCTL_TOKEN="secret").out == f"{url}status/\n"
    assert taskctl(url, "open", "t", "--print").out == f"{url}status/#/task/t\n"
    assert taskctl(url, "open", "l", "--print").out == f"{url}status/#/list/l\n"


def test_open_opens_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def no_browser(address: str) -> bool:
        opened.append(address)
        return False

    monkeypatch.setattr("webbrowser.open", no_browser)
    ran = taskctl("http://a.example", "open")
    assert opened == ["http://a.example/status/"]
    assert ran.err == "No browser can be opened here: open the address yourself.\n"


@pytest.mark.parametrize(("quiet_seconds", "is_shown"), [(0.0, True), (60.0, False)])
def test_progress_is_shown_of_what_takes_a_while(
    quiet_seconds: float, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "QUIET_SECONDS", quiet_seconds)
    shown = screen.Screen()
    shown.err = Console(file=io.StringIO(), force_terminal=True, width=80)
    with shown.err.capture() as captured, shown.progress("Counting", 2) as step:
        step()
        eventually(lambda: not is_shown or threading.active_count() > 1, what="the bar is drawn")
        step()
    assert ("Counting" in captured.get()) is is_shown


def test_the_document_has_every_exit_code() -> None:
    document = (Path(__file__).parents[3] / "docs" / "taskctl.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+) \| ", document, flags=re.MULTILINE)
    assert [int(code) for code in codes] == [*ExitCode]


class TestPublishing:
    @pytest.mark.parametrize("entry", ["", ",a", "a,b,c,d"])
    def test_an_entry_that_is_none_is_refused(self, entry: str) -> None:
        ran = taskctl("", "publish-event", entry)
        assert (ran.code, "write key, key,namespace or key,namespace,scope" in ran.err) == (2, True)

    def test_a_server_that_is_not_there_is_told_without_its_password(self) -> None:
        ran = taskctl("", "publish-event", "a", "--nats", "nats://me:hunter2@127.0.0.1:1")
        assert ran.code == 5
        assert "NATS does not take the event at nats://***@127.0.0.1:1" in ran.err
        assert "hunter2" not in ran.err

    def test_without_its_library_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without_nats(name: str, *rest: Any, **more: Any) -> Any:
            if name.startswith("nats"):
                raise ImportError(name)
            return real(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", without_nats)
        for loaded in [name for name in sys.modules if name.startswith("nats")]:
            monkeypatch.delitem(sys.modules, loaded)
        ran = taskctl("", "publish-event", "a")
        assert (ran.code, "run pip install nats-py" in ran.err) == (2, True)
