"""taskctl against the running service, in pipes and in a terminal of 80 columns."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from local.cloud import LocalCloud
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, failing, hang
from tests.support.targets import HttpTarget

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "local" / "examples"
COLUMNS, ROWS = 80, 40

_LINE_END = re.compile(r"\n|\r|\x1b\[\d*A")
"""What goes to another line, or to this one's beginning."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Cli:
    """taskctl, as a program of its own, with the address of the service in its environment."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT / "cli"),
            "TASKCTL_URL": cloud.api_url,
            "TASKCTL_CONFIG": os.devnull,
            "NATS_ADDR": cloud.nats_url,
            "no_proxy": "*",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """What a command writes to stdout; it has to end with this code."""
        done = subprocess.run(
            self._command(arguments), env=self._environment, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same as JSON."""
        return json.loads(self.run(*arguments, "-o", "json", code=code))

    def in_terminal(self, *arguments: str, code: int = 0, keys: str = "") -> str:
        """What a command writes to a terminal of 80 columns, in which these keys are pressed."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        with subprocess.Popen(
            self._command(arguments), env=self._environment, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            os.write(ours, keys.encode())
            written = b""
            while chunk := _read(ours):
                written += chunk
            os.close(ours)
        assert process.returncode == code, written
        return written.decode()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "taskctl", *arguments]


def _read(descriptor: int) -> bytes:
    """The next bytes of a terminal; none when the program at its other side has ended."""
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""


def lines(written: str) -> list[str]:
    """The lines of a terminal's output, without what moves the cursor and colours."""
    return [_CONTROL.sub("", line).rstrip() for line in _LINE_END.split(written)]


@pytest.fixture(scope="module")
def cli(cloud: LocalCloud) -> Cli:
    return Cli(cloud)


def put(folder: Path, path: str, document: object) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def test_the_examples_are_applied_and_exported_and_applied_again(cli: Cli, cloud: LocalCloud, tmp_path: Path) -> None:
    arguments = ("apply", "-f", str(EXAMPLES), "--set", f"TARGET_URL={cloud.target_url}")
    assert cli.run(*arguments) == "0 created, 0 changed, 0 deleted, 10 unchanged\n"

    folder = tmp_path / "export"
    cli.run("export", str(folder))
    changes = cli.json("apply", "-f", str(folder), "--prune", "--dry-run")["changes"]

    # Other tests write templates while this one reads.
    examples = {"examples/example/greeting/1.0", "hello", "flaky", "three-groups"}
    found = {change["name"]: change["action"] for change in changes if change["name"] in examples}
    assert found == dict.fromkeys(examples, "keep")


def test_a_task_runs_fails_is_found_and_is_replayed(cli: Cli, target: HttpTarget, tmp_path: Path) -> None:
    url = target.on("/pay", failing(1, answer(body=b'{"paid": 1.10}'), status=500))
    retry = {"maxAttempts": 1}
    put(tmp_path, "taskTemplates/pay.json", {"name": "ctl-pay", "url": url, "method": "POST", "retry": retry})
    cli.run("apply", "-f", str(tmp_path))

    cli.run("run", "ctl-pay", "--data", '{"order": 42}', "--wait", code=3)
    found = eventually(lambda: cli.json("ls", "--name", "ctl-pay", "--state", "failed")["items"], what="it is found")
    assert cli.run("replay", "--name", "ctl-pay", "--yes") == "1 task replayed\n"
    cli.run("watch", found[0]["id"])

    assert cli.run("result", found[0]["id"]) == '{"paid": 1.10}\n'
    assert [call.body for call in target.calls_to("/pay")] == [b'{"order": 42}'] * 2


def test_a_running_task_is_cancelled(cli: Cli) -> None:
    task_id = cli.run("run", "slow").strip()
    assert cli.run("cancel", task_id) == f"{task_id}  cancelled\n"
    cli.run("result", task_id, code=3)


def test_a_list_of_twenty_is_watched_in_a_terminal_and_in_a_pipe(
    cli: Cli, api: Api, target: HttpTarget, tmp_path: Path
) -> None:
    api.template(target.on("/quick", answer(after=0.05)), "ctl-quick")
    api.template(target.on("/later", answer(after=2.5)), "ctl-later")
    groups = [
        {"execution": "sequential", "tasks": ["ctl-quick"] * 4},
        {"execution": "parallel", "tasks": ["ctl-quick"] * 11 + ["ctl-later"]},
        {"execution": "parallel", "tasks": ["ctl-quick"] * 4},
    ]
    put(tmp_path, "list.json", {"name": "ctl-twenty", "groups": groups})
    cli.run("apply", "-f", str(tmp_path))

    list_id = cli.run("run", "ctl-twenty").strip()
    written = cli.in_terminal("watch", list_id)

    shown = lines(written)
    assert max(map(len, shown)) <= COLUMNS
    assert any("ctl-later" in line and "pending" in line for line in shown), "it is shown while it runs"
    # What stays in the terminal is the tree at its end.
    final = [line for line in shown if line][-24:]
    assert list_id in final[0]
    assert " done 20/20" in final[0]
    assert [" ".join(line.split()[1:]) for line in final if "group" in line] == [
        "group 1 done",
        "group 2 done",
        "group 3 done",
    ]
    tasks = [line for line in final if "ctl-" in line and list_id not in line]
    assert len(tasks) == 20
    assert all(re.search(r"── ctl-(quick|later)\s+done\s+1x\s+\d\.\d s$", line) for line in tasks), tasks

    piped = cli.run("watch", list_id)
    assert "\x1b" not in piped
    assert len(piped.splitlines()) == 20 + 3 + 1
    (*_, last) = map(json.loads, cli.run("watch", list_id, "-o", "json").splitlines())
    assert (last["kind"], last["status"]) == ("list", "done")


def test_a_question_is_asked_in_a_terminal(cli: Cli, api: Api, tmp_path: Path) -> None:
    put(tmp_path, "eventTasks/one.json", {"key": "ctl", "taskName": "hello"})
    for key in ("ctl-old", "ctl-older"):
        api.call("PUT", "/v1/eventTasks", json.dumps({"key": key, "taskName": "hello"}))

    written = "\n".join(lines(cli.in_terminal("apply", "-f", str(tmp_path), "--prune", "--dry-run")))
    assert "- eventTasks/ctl-old" in written

    written = "\n".join(lines(cli.in_terminal("apply", "-f", str(tmp_path), "--prune", keys="n\n")))
    assert re.search(r"Delete \d+ documents that the folder does not have\? \[y/N\]", written)
    assert "Nothing is deleted." in written
    assert {"ctl-old", "ctl"} <= {item["key"] for item in cli.json("ls", "eventTasks")["items"]}


def test_waiting_ends_in_time_and_can_be_taken_up_again(cli: Cli, api: Api, target: HttpTarget) -> None:
    api.template(target.on("/late", hang(answer())), "ctl-late")
    task_id = cli.run("run", "ctl-late").strip()
    cli.run("watch", task_id, "--timeout", "0.1", code=7)
    target.release()
    cli.run("watch", task_id)


def test_an_event_is_published_and_makes_its_task(cli: Cli) -> None:
    before = {item["id"] for item in cli.json("ls", "--name", "cacheEvent")["items"]}
    cli.run("publish-event", "did:web:example.com,Login,Administration")

    def made() -> set[str]:
        return {item["id"] for item in cli.json("ls", "--name", "cacheEvent", "--state", "done")["items"]} - before

    (task_id,) = eventually(made, what="the event makes a task")
    assert json.loads(cli.run("result", task_id))["entry"]["key"] == "did:web:example.com"


def test_what_mongoexport_has_written_is_imported_and_runs(cli: Cli, cloud: LocalCloud, tmp_path: Path) -> None:
    oid = {"$oid": "63fa2f16b70ed89144e3710e"}
    call = {"_id": oid, "name": "ctl-v1", "url": f"{cloud.target_url}/v1", "method": "POST", "requestPolicy": ""}
    nothing = {"_id": oid, "name": "ctl-nothing", "url": "", "method": "GET", "requestPolicy": ""}
    groups = [{"execution": "sequential", "finalPolicy": "", "tasks": ["ctl-v1", "ctl-v1"]}]
    put(tmp_path, "taskTemplates.json", [call, nothing])
    put(tmp_path, "taskListTemplates.json", [{"_id": oid, "name": "ctl-v1-list", "groups": groups}])

    report = cli.run("import", str(tmp_path), code=6).splitlines()

    assert report == [
        "taken    taskTemplates/ctl-v1",
        "refused  taskTemplates/ctl-nothing",
        "         it has neither a requestPolicy, nor both url and method: such a task can do nothing",
        "taken    taskListTemplates/ctl-v1-list",
        "2 taken, 0 changed, 1 refused",
    ]
    assert cli.run("run", "ctl-v1-list", "--wait").splitlines()[-1].split("  ")[3] == "done"


def test_the_public_samples_are_imported_and_a_task_of_them_runs(cli: Cli) -> None:
    samples = PROJECT.parent / "shared" / "samples" / "mongoexport"
    if not samples.is_dir():
        pytest.skip("the samples are not beside the checkout")
    assert cli.run("import", str(samples)).splitlines()[-1] == "10 taken, 4 changed, 0 refused"
    source = "package example.getKeyDID\n\nimport rego.v1\n\ndid := input.did"
    policy = {"repository": "policies", "group": "example", "name": "getKeyDID", "version": "1.0", "source": source}
    cli.run("apply", "-f", "-", stdin=json.dumps(policy))
    assert cli.run("run", "getKeyDID", "-d", '{"did": "did:key:1"}', "--wait") == '{"did":"did:key:1"}\n'
    assert "failed" in cli.run("run", "failTestListSync", "--wait", code=3)
