"""taskctl against the running service, in pipes and in a terminal of 80 columns."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from local.cloud import LocalCloud
from local.own_server import OwnServer
from tests.support.api import eventually
from tests.support.behaviours import answer, failing, hang
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "local" / "examples"
COLUMNS, ROWS = 80, 40

_LINE_END = re.compile(r"\n|\r|\x1b\[\d*A")
"""What goes to another line, or to this one's beginning."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Cli:
    """taskctl with the service."""

    def __init__(self, service: LocalCloud | OwnServer) -> None:
        self.target_url = service.target_url
        self._url = service.api_url
        self._environment = {"TASKCTL_CONFIG": os.devnull, "NATS_ADDR": service.nats_url, "no_proxy": "*"}

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """What a command writes to stdout; it has to end with this code."""
        ran = taskctl(self._url, *arguments, stdin=stdin, **self._environment)
        assert ran.code == code, (arguments, ran)
        return ran.out

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same as JSON."""
        return json.loads(self.run(*arguments, "-o", "json", code=code))

    def template(self, name: str, url: str, **members: object) -> None:
        """Write a task template that POSTs to a URL."""
        self.run("apply", "-f", "-", stdin=json.dumps({"name": name, "url": url, "method": "POST", **members}))

    def in_terminal(self, *arguments: str, code: int = 0, keys: str = "") -> str:
        """What a command writes to a terminal of 80 columns, in which these keys are pressed."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        with subprocess.Popen(
            self._command(arguments), env=self._of_its_own(), stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            os.write(ours, keys.encode())
            written = b""
            while chunk := _read(ours):
                written += chunk
            os.close(ours)
        assert process.returncode == code, written
        return written.decode()

    def interrupted(self, *arguments: str) -> None:
        """Run a command, and press Ctrl-C when it has written something."""
        with subprocess.Popen(
            self._command(arguments),
            env=self._of_its_own(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A run of tests in the background ignores Ctrl-C, and so would this process, for ever.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
        assert (process.returncode, said.endswith("Interrupted.\n")) == (130, True), said

    def _of_its_own(self) -> dict[str, str]:
        """The environment of a process."""
        return self._environment | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT / "cli"),
            "TASKCTL_URL": self._url,
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

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


@pytest.fixture
def cli(own_server: OwnServer) -> Cli:
    """taskctl with the service as own servers run it."""
    return Cli(own_server)


@pytest.fixture(params=["cloud", "own_server"])
def each_cli(request: pytest.FixtureRequest) -> Cli:
    """taskctl with the service on each platform."""
    return Cli(request.getfixturevalue(request.param))


def put(folder: Path, path: str, document: object) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def test_the_examples_are_applied_and_exported_and_applied_again(each_cli: Cli, tmp_path: Path) -> None:
    cli = each_cli
    arguments = ("apply", "-f", str(EXAMPLES), "--set", f"TARGET_URL={cli.target_url}")
    assert cli.run(*arguments) == "0 created, 0 changed, 0 deleted, 10 unchanged\n"

    folder = tmp_path / "export"
    cli.run("export", str(folder))
    changes = cli.json("apply", "-f", str(folder), "--prune", "--dry-run")["changes"]

    # Other tests write templates while this one reads.
    examples = {"examples/example/greeting/1.0", "hello", "flaky", "three-groups"}
    found = {change["name"]: change["action"] for change in changes if change["name"] in examples}
    assert found == dict.fromkeys(examples, "keep")


def test_a_task_runs_fails_is_found_and_is_replayed(each_cli: Cli, target: HttpTarget) -> None:
    cli = each_cli
    url = target.on("/pay", failing(1, answer(body=b'{"paid": 1.10}'), status=500))
    cli.template("ctl-pay", url, retry={"maxAttempts": 1})

    cli.run("run", "ctl-pay", "--data", '{"order": 42}', "--wait", code=3)
    found = eventually(lambda: cli.json("ls", "--name", "ctl-pay", "--state", "failed")["items"], what="it is found")
    assert cli.run("replay", "--name", "ctl-pay", "--yes") == "1 task replayed\n"
    cli.run("watch", found[0]["id"])

    assert cli.run("result", found[0]["id"]) == '{"paid": 1.10}\n'
    assert [call.body for call in target.calls_to("/pay")] == [b'{"order": 42}'] * 2


def test_many_tasks_are_created_once_however_often_the_file_is_sent(
    each_cli: Cli, target: HttpTarget, tmp_path: Path
) -> None:
    cli = each_cli
    cli.template("ctl-many", target.on("/many", answer()))
    orders = [{"name": "ctl-many", "body": number} for number in range(230)]
    large = [{"name": "ctl-many", "body": "x" * 1_500_000} for _ in range(4)]
    wrong = {"name": "ctl-no-such", "body": 0}
    file = tmp_path / "orders.jsonl"
    file.write_text("\n".join(map(json.dumps, [*orders, wrong, *large])))
    arguments = ("run-many", str(file), "--idempotency-key", f"ctl-{tmp_path.name}")

    first = cli.run(*arguments, code=6).splitlines()
    assert cli.run(*arguments, code=6).splitlines() == first

    assert first[230] == "error: task template not found"
    ids = [*first[:230], *first[231:]]
    called = {call.idempotency_key: call.body for call in target.wait_for_calls(234, seconds=60)}
    assert [called[task_id] for task_id in ids[:230]] == [b"%d" % number for number in range(230)]
    assert {len(called[task_id]) for task_id in ids[230:]} == {1_500_002}
    for task_id in ids[::50]:
        cli.run("watch", task_id)
    assert len(target.calls) == 234


def test_a_task_of_a_group_belongs_to_the_trace_that_is_named(each_cli: Cli, target: HttpTarget) -> None:
    cli = each_cli
    cli.template("ctl-traced", target.on("/traced", answer()))
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace_id}-00f067aa0ba902b7-01"
    task_id = cli.run("run", "ctl-traced", "--group", "tenant-7", "--traceparent", parent).strip()
    (call,) = target.wait_for_calls(1)
    assert call.headers["traceparent"].split("-")[1] == trace_id
    assert f"  trace {trace_id}\n" in cli.run("watch", task_id)
    (*_, last) = map(json.loads, cli.run("watch", task_id, "-o", "json").splitlines())
    assert last["traceId"] == trace_id


def test_a_running_task_is_cancelled(cli: Cli, target: HttpTarget) -> None:
    cli.template("ctl-endless", target.on("/endless", hang()))
    task_id = cli.run("run", "ctl-endless").strip()
    assert cli.run("cancel", task_id) == f"{task_id}  cancelled\n"
    cli.run("result", task_id, code=3)


def test_a_list_of_twenty_is_watched_in_a_terminal_and_in_a_pipe(cli: Cli, target: HttpTarget, tmp_path: Path) -> None:
    cli.template("ctl-quick", target.on("/quick", answer(after=0.05)))
    cli.template("ctl-later", target.on("/later", answer(after=2.5)))
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


def test_a_question_is_asked_in_a_terminal(cli: Cli, tmp_path: Path) -> None:
    put(tmp_path, "eventTasks/one.json", {"key": "ctl", "taskName": "hello"})
    cli.run("apply", "-f", "-", stdin='[{"key": "ctl-old", "taskName": "a"}, {"key": "ctl-older", "taskName": "a"}]')

    written = "\n".join(lines(cli.in_terminal("apply", "-f", str(tmp_path), "--prune", "--dry-run")))
    assert "- eventTasks/ctl-old" in written

    written = "\n".join(lines(cli.in_terminal("apply", "-f", str(tmp_path), "--prune", keys="n\n")))
    assert re.search(r"Delete \d+ documents that the folder does not have\? \[y/N\]", written)
    assert "Nothing is deleted." in written
    assert {"ctl-old", "ctl"} <= {item["key"] for item in cli.json("ls", "eventTasks")["items"]}


def test_waiting_ends_in_time_and_can_be_taken_up_again(cli: Cli, target: HttpTarget) -> None:
    cli.template("ctl-late", target.on("/late", hang(answer())))
    task_id = cli.run("run", "ctl-late").strip()
    cli.run("watch", task_id, "--timeout", "0.1", code=7)
    cli.interrupted("watch", task_id)
    target.release()
    cli.run("watch", task_id)


def test_an_event_is_published_and_makes_its_task(cli: Cli) -> None:
    before = {item["id"] for item in cli.json("ls", "--name", "cacheEvent")["items"]}
    cli.run("publish-event", "did:web:example.com,Login,Administration")

    def made() -> set[str]:
        return {item["id"] for item in cli.json("ls", "--name", "cacheEvent", "--state", "done")["items"]} - before

    (task_id,) = eventually(made, what="the event makes a task")
    assert json.loads(cli.run("result", task_id))["entry"]["key"] == "did:web:example.com"


def test_what_mongoexport_has_written_is_imported_and_runs(cli: Cli, tmp_path: Path) -> None:
    oid = {"$oid": "63fa2f16b70ed89144e3710e"}
    call = {"_id": oid, "name": "ctl-v1", "url": f"{cli.target_url}/v1", "method": "POST", "requestPolicy": ""}
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
