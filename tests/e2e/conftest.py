"""What end-to-end tests share: the API, and targets for it."""

from collections.abc import Iterator

import pytest

from local.cloud import LocalCloud
from tests.support.api import Api
from tests.support.aws_proxy import AwsProxy
from tests.support.faulty_cloud import SETTINGS, FaultyCloud
from tests.support.http_front import HttpFront
from tests.support.runtime import RUNNING, Build, BuiltFunction
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
