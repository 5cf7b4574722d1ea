"""What end-to-end tests share: the API, and targets for it."""

from collections.abc import Iterator

import pytest
from aws_lambda_powertools import Metrics

from local.cloud import LocalCloud
from task_service.entrypoints.api import app
from task_service.wiring.services import from_settings
from task_service.wiring.settings import Settings
from tests.support.api import Api
from tests.support.aws_proxy import AwsProxy
from tests.support.faulty_cloud import SETTINGS, FaultyCloud
from tests.support.http_front import HttpFront
from tests.support.targets import HttpTarget


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract's cases with both kinds of API, except where a case names one."""
    named = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    if "test_contract_" in metafunc.module.__name__ and "api" in metafunc.fixturenames and "api" not in named:
        metafunc.parametrize("api", ["REST", "HTTP"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest, cloud: LocalCloud) -> Api:
    """The API of the cloud that all tests share."""
    if getattr(request, "param", "REST") == "HTTP":
        return Api(request.getfixturevalue("http_api_url"))
    return Api(cloud.api_url)


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
