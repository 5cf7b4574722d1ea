"""`make serve` as a person meets it: what it prints, what stays, and what it says about a wrong setup."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from local.environment import PROJECT
from local.own_server import OwnServer
from local.ports import claim
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate
from tests.integration.conftest import is_running, processes_below
from tests.support.api import Api, eventually
from tests.support.nats import MAKE_PUBLISH
from tests.support.postgres import Server

PORTS = ("TASK_PORT", "METRICS_PORT", "TARGET_PORT", "NATS_PORT", "BRIDGE_PORT")
SECONDS = 60


@pytest.fixture
def ports() -> dict[str, str]:
    return {name: str(claim(0, name)) for name in PORTS}


def program(command: list[str], settings: dict[str, str]) -> "subprocess.Popen[str]":
    """A program of this project, with these settings and no others in its environment."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(settings: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The running program, and what it has printed when it is ready."""
    with program(["local", "serve"], settings) as process:
        assert process.stdout is not None and process.stderr is not None
        printed = ""
        try:
            for line in process.stdout:
                printed += line
                if "Ctrl-C" in line:
                    break
            else:
                pytest.fail(f"it did not start: {process.stderr.read()}")
            yield process, printed
        finally:
            process.terminate()


def test_the_commands_that_it_prints_work_and_ctrl_c_ends_everything(
    ports: dict[str, str], postgres_server: Server
) -> None:
    with postgres_server.database(migrated=False) as url, serving({**ports, "DATABASE_URL": url}) as (process, printed):
        started = processes_below(process.pid)
        create, read, publish = re.findall(r"^  ((?:curl|NATS_PORT).*)$", printed, re.MULTILINE)
        task_id = json.loads(said(create))["taskID"]
        asked = read.replace("<the taskID of the answer>", task_id)
        result = eventually(lambda: json.loads(said(asked)).get("body"), what="the result is there")
        assert result == {"greeting": "hello"}

        event = json.loads(said(publish.replace("make publish", MAKE_PUBLISH)))["event"]
        api = Api(f"http://127.0.0.1:{ports['TASK_PORT']}")
        of_events = "/v1/tasks?name=cacheEvent&state=done"
        [made] = eventually(lambda: api.call("GET", of_events).json()["items"], what=f"{event['id']} has made a task")
        assert made["status"] == "done"

        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert process.stdout is not None
        assert process.stdout.read().endswith("\nStopped.\n")
        eventually(lambda: not any(map(is_running, started)), what="every process has ended")


def said(command: str) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_edited_stays_and_the_examples_are_there(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database(migrated=False) as url:
        settings = {"DATABASE_URL": url}
        with OwnServer(directory=tmp_path / "first", settings=settings) as first:
            mine = {"url": "https://example.com/mine", "method": "GET"}
            assert Api(first.api_url).call("PUT", "/v1/taskTemplates/hello", json.dumps(mine)).status == 200
            assert Api(first.api_url).call("DELETE", "/v1/taskTemplates/slow").status == 204
        with OwnServer(directory=tmp_path / "second", settings=settings) as second:
            api = Api(second.api_url)
            assert api.call("GET", "/v1/taskTemplates/hello").json()["url"] == mine["url"]
            assert api.call("GET", "/v1/taskTemplates/slow").status == 200


@pytest.mark.parametrize("variable", PORTS)
def test_a_port_that_is_taken_is_said_in_one_sentence(ports: dict[str, str], variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert error_of(["local", "serve"], {**ports, variable: str(port)}) == (
            f"error: port {port} is in use: stop what listens there, or choose another with {variable}=<port>\n"
        )


@pytest.mark.parametrize("command", [["local", "serve"], ["host", "all"], ["host", "migrate"]], ids=" ".join)
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (
            "postgres//user:s3cret@server",
            "DATABASE_URL is not understood: postgresql://user@server/database is expected",
        ),
        ("postgresql://user:a@s3cret@127.0.0.1/a", "DATABASE_URL has no server that can be: in a password, "),
        ("postgresql://user:s3cret/a@127.0.0.1/a", "DATABASE_URL has no server that can be: in a password, "),
        ("postgresql://user:s3cret@127.0.0.1:1/a", "the database of DATABASE_URL cannot be used: connection failed: "),
    ],
    ids=["nonsense", "@ in a password", "/ in a password", "no server"],
)
def test_a_wrong_database_is_said_in_one_sentence(
    ports: dict[str, str], command: list[str], url: str, fault: str
) -> None:
    error = error_of(command, {**ports, "DATABASE_URL": url})
    assert error.startswith(f"error: {fault}")
    assert error.count("\n") == 1
    assert "s3cret" not in error


def test_what_a_host_lacks_is_said_in_one_sentence(ports: dict[str, str], postgres_server: Server) -> None:
    assert error_of(["host", "serve"], {}).startswith("error: DATABASE_URL is not set: postgresql://")
    with postgres_server.database(migrated=False) as url:
        settings = {"DATABASE_URL": url, "METRICS_PORT": ports["METRICS_PORT"]}
        assert "`python -m host migrate`" in error_of(["host", "work"], settings)
        with program(["host", "migrate"], settings) as migrating:
            assert migrating.wait(SECONDS) == 0
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            assert error_of(["host", "serve"], {**settings, "HTTP_PORT": str(port)}) == (
                f"error: cannot listen on port {port} of 127.0.0.1: Address already in use; "
                "HTTP_PORT and HTTP_HOST choose others\n"
            )
            assert error_of(["host", "work"], {**settings, "METRICS_PORT": str(port)}) == (
                f"error: cannot listen on port {port}: Address already in use; METRICS_PORT chooses another\n"
            )


def test_a_role_without_its_rights_is_said_in_one_sentence(postgres_server: Server) -> None:
    role = f"role_{uuid4().hex}"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN")
    try:
        with postgres_server.database(migrated=False) as url:
            settings = {"DATABASE_URL": make_conninfo(url, user=role), "METRICS_PORT": "0"}
            lacks = "error: the role of DATABASE_URL lacks a right: permission denied for"
            assert error_of(["host", "migrate"], settings).startswith(f"{lacks} database test_")
            migrate(Database(conninfo=url))
            assert error_of(["host", "serve"], settings) == f"{lacks} schema task_service\n"
    finally:
        postgres_server.execute(f"DROP ROLE {role}")


def test_a_database_that_cannot_hold_every_character_is_refused(postgres_server: Server) -> None:
    name = f"test_{uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        assert error_of(["host", "migrate"], {"DATABASE_URL": postgres_server.url(name)}) == (
            "error: the database of DATABASE_URL has the encoding LATIN1; UTF8 is expected\n"
        )
    finally:
        postgres_server.execute(f"DROP DATABASE {name}")


def test_hosts_that_migrate_at_once_apply_each_migration_once(postgres_server: Server) -> None:
    with postgres_server.database(migrated=False) as url:
        hosts = [program(["host", "migrate"], {"DATABASE_URL": url}) for _ in range(3)]
        printed = [host.communicate(timeout=SECONDS)[0] for host in hosts]
        assert [host.returncode for host in hosts] == [0, 0, 0]
        applied = [line for text in printed for line in text.splitlines()]
        assert len(applied) == len(set(applied)) >= 3


def test_two_do_not_run_on_the_same_data(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    holder = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / "postgres.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with (
            pytest.raises(Exception, match="another program runs on the data in"),
            OwnServer(directory=tmp_path / "second", data=data),
        ):
            pass
        other.communicate(b"\n")


def error_of(command: list[str], settings: dict[str, str]) -> str:
    """What a program that cannot start says."""
    with program(command, settings) as process:
        output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode in (1, 2), errors
    assert output in ("", "Starting PostgreSQL and the host ...\n")
    return errors
