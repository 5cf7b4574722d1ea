"""What end-to-end tests share: the API, and targets for it."""

from collections.abc import Iterator

import pytest

from local.cloud import LocalCloud
from local.own_server import OwnServer
from tests.support.api import Api
from tests.support.aws_proxy import AwsProxy
from tests.support.faulty_cloud import SETTINGS, FaultyCloud
from tests.support.http_front import HttpFront
from tests.support.runtime import RUNNING, Build, BuiltFunction
from tests.support.targets import HttpTarget

REST, HTTP, OWN_SERVERS = "REST", "HTTP", "own servers"
"""The API behind API Gateway, of both of its kinds, and behind the host."""

ON_BOTH_PLATFORMS = (
    "test_cancel_and_replay",
    "test_idempotency",
    "test_later_and_batches",
    "test_lists",
    "test_search",
    "test_waiting",
)
"""The modules beside those of the contract whose cases run on both platforms."""

OF_AWS = frozenset({"cloud", "faulty"})
"""Fixtures with which a case asks for something of AWS."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract's cases with each API, and others on both platforms, except where a case names one."""
    named = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    if "api" not in metafunc.fixturenames or "api" in named or OF_AWS & set(metafunc.fixturenames):
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    if module.startswith("test_contract_"):
        metafunc.parametrize("api", [REST, HTTP, OWN_SERVERS], indirect=True, scope="session")
    elif module in ON_BOTH_PLATFORMS:
        metafunc.parametrize("api", [REST, OWN_SERVERS], indirect=True, scope="session")


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Api:
    """The API that all tests share."""
    chosen = getattr(request, "param", REST)
    if chosen == HTTP:
        return Api(request.getfixturevalue("http_api_url"))
    service: LocalCloud | OwnServer = request.getfixturevalue("own_server" if chosen == OWN_SERVERS else "cloud")
    return Api(service.api_url)


@pytest.fixture(scope="session")
def http_api_url(cloud: LocalCloud, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an HTTP API in front of the built function, on the cloud's table, queue and bucket."""
    outputs = {"Table": "TableName", "TaskQueue": "QueueUrl", "UnreadableQueue": "UnreadableQueueUrl"}
    names = {name: cloud.outputs[output] for name, output in {**outputs, "Bucket": "BucketName"}.items()}
    settings = {"TemplateWrites": "on", "PythonRuntime": f"python{RUNNING}"}
    with (
        BuiltFunction(
            build,
            "ApiFunction",
            endpoint_url=cloud.endpoint_url,
            resources={**names, **settings},
            log=tmp_path_factory.mktemp("http-api") / "function.log",
        ) as function,
        HttpFront(function.invoke) as front,
    ):
        yield front.url


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A target of the test's own."""
    with HttpTarget() as target:
        yield target


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """A cloud to break, one for all tests that do."""
    with (
        LocalCloud(directory=tmp_path_factory.mktemp("faulty"), settings=SETTINGS) as cloud,
        AwsProxy(cloud.endpoint_url) as proxy,
    ):
        yield FaultyCloud(cloud, proxy)
