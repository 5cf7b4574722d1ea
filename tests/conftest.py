"""What tests of every kind share."""

from collections.abc import Iterator

import pytest

from local.cloud import LocalCloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The service on this machine, on free ports, with the examples loaded; one for the whole run."""
    with LocalCloud(directory=tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud
