"""What end-to-end tests share: the API, and targets for it."""

from collections.abc import Iterator

import pytest

from local.cloud import LocalCloud
from tests.support.api import Api
from tests.support.aws_proxy import AwsProxy
from tests.support.faulty_cloud import SETTINGS, FaultyCloud
from tests.support.targets import HttpTarget


@pytest.fixture(scope="session")
def api(cloud: LocalCloud) -> Api:
    """The API of the cloud that all tests share."""
    return Api(cloud.api_url)


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
