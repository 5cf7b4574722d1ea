"""Hosts to break."""

from collections.abc import Iterator

import pytest

from local.own_server import OwnServer
from tests.support.api import Api
from tests.support.hosts import FaultyHost
from tests.support.postgres import Server
from tests.support.targets import HttpTarget

LIMITS = {
    "HTTP_HEADER_TIMEOUT": "1",
    "HTTP_READ_TIMEOUT": "1s",
    "HTTP_WRITE_TIMEOUT": "1s",
    "HTTP_CONNECTIONS": "400",
    "HTTP_WAITING": "220",
}


@pytest.fixture(scope="module")
def limited(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """A host with small limits."""
    directory = tmp_path_factory.mktemp("limited")
    with (
        postgres_server.database(migrated=False) as url,
        OwnServer(directory=directory, settings={"DATABASE_URL": url, **LIMITS}) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def api(limited: OwnServer) -> Api:
    """The API of the host with small limits."""
    return Api(limited.api_url)


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A target of the test's own."""
    with HttpTarget() as target:
        yield target


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyHost]:
    """A host with a PostgreSQL of its own, both to be killed."""
    database = Server()
    try:
        with OwnServer(
            directory=tmp_path_factory.mktemp("faulty-host"),
            settings={
                "DATABASE_URL": database.url(),
                "EXECUTOR_TIMEOUT_SECONDS": "7",
                "VISIBILITY_TIMEOUT_SECONDS": "8",
                "NATS_STREAM": "external",
                "WORKER_PROCESSES": "2",
                "API_PROCESSES": "2",
            },
            # They may take longer than this executor.
            examples=False,
        ) as server:
            yield FaultyHost(server, database)
    finally:
        database.stop()
