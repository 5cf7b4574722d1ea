"""What end-to-end tests share: the API, and targets for it."""

from collections.abc import Iterator

import pytest
from aws_lambda_powertools import Metrics

from local.cloud import LocalCloud
from local.own_server import OwnServer
from task_service.entrypoints.api import app
from task_service.wiring.services import from_settings
from task_service.wiring.settings import Settings
from tests.support.api import Api
from tests.support.aws_proxy import AwsProxy
from tests.support.faulty_cloud import SETTINGS, FaultyCloud
from tests.support.http_front import HttpFront
from tests.support.targets import HttpTarget

REST, HTTP, OWN_SERVERS = "REST", "HTTP", "own servers"
"""The API behind API Gateway, of both of its kinds, and behind the host."""

ON_BOTH_PLATFORMS = ("test_cancel_and_replay", "test_idempotency", "test_lists", "test_search", "test_waiting")
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
def http_api_url(cloud: LocalCloud) -> Iterator[str]:
    """The address of an HTTP API, whose function runs in this process on the cloud's table, queue and bucket."""
    names = {"TABLE_NAME": "TableName", "QUEUE_URL": "QueueUrl", "BUCKET_NAME": "BucketName"}
    settings = Settings({**{name: cloud.outputs[output] for name, output in names.items()}, "TEMPLATE_WRITES": "on"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)
        patch.setenv("AWS_DEFAULT_REGION", cloud.endpoint.region)
        patch.setenv("AWS_ACCESS_KEY_ID", cloud.endpoint.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", cloud.endpoint.secret_key)
        services = from_settings(settings)
        function = app.Api(lambda: services, Metrics(namespace="Test", service="task")).resolve
        with HttpFront(function) as front:
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
