"""What tests of every kind share.

A fixture imports what it starts when it starts it: unit tests need none of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from local.cloud import LocalCloud
    from local.own_server import OwnServer
    from tests.support.postgres import Server
    from tests.support.runtime import Build

# How long an example takes says something about the machine, not about the code.
settings.register_profile("any machine", settings(), deadline=None)
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files of slow tests first, so that no worker starts one when the others are about to finish."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what tests have recorded as their `summary`, in whichever process they ran."""
    told = [
        str(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in report.user_properties
        if name == "summary"
    ]
    # A test that runs on both platforms tells the same twice.
    for line in dict.fromkeys(told):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server that no test kills; each test makes a database of its own."""
    from tests.support.postgres import Server

    server = Server(durable=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The service on this machine, on free ports, with the examples loaded; one for the whole run."""
    from local.cloud import LocalCloud

    with LocalCloud(directory=tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def own_server(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """The service as own servers run it, on free ports, with the examples loaded; one for the whole run."""
    from local.own_server import OwnServer

    directory = tmp_path_factory.mktemp("own-server")
    with (
        postgres_server.database(migrated=False) as url,
        OwnServer(directory=directory, settings={"DATABASE_URL": url}) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def build(testrun_uid: str) -> Build:
    """Built once for all workers of a run of tests, by the one that needs it first."""
    from local.artifacts import locked
    from tests.support.runtime import PROJECT, RUNNING, Build

    folder = PROJECT / ".build" / f"sam-{RUNNING}"
    made_by = folder / "testrun"
    folder.parent.mkdir(exist_ok=True)
    with locked(folder.parent / f"{folder.name}.lock"):
        if made_by.is_file() and made_by.read_text() == testrun_uid:
            return Build(folder=folder)
        made = Build.make(folder)
        made_by.write_text(testrun_uid)
        return made
