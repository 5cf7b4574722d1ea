"""The commands of README.md and docs/, run as a reader would run them, against the service on both platforms."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.own_server import OwnServer
from local.ports import HOST, Ports
from tests.support.documents import DOCUMENTS, command_blocks
from tests.support.transcripts import Transcript


@pytest.fixture(params=["cloud", "own_server"])
def transcript(request: pytest.FixtureRequest) -> Transcript:
    """A transcript in which the addresses of the documents are those of a service that all tests share."""
    service: LocalCloud | OwnServer = request.getfixturevalue(request.param)
    usual = Ports()
    return Transcript(
        {
            f"http://{HOST}:{usual.task}": service.api_url,
            f"{HOST}:{usual.target}": service.target_url.removeprefix("http://"),
            f"http://{HOST}:{usual.bridge}": service.bridge_url,
        },
        environment={
            "TASKCTL_URL": service.api_url,
            "NATS_ADDR": service.nats_url,
            "TASKCTL_CONFIG": os.devnull,
            "COLUMNS": "80",
        },
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_does_what_the_document_says(
    document: Path, transcript: Transcript, record_property: Callable[[str, object], None]
) -> None:
    for block in command_blocks(document):
        if block.not_run is None:
            transcript.run(block)
        else:
            record_property("summary", f"not run: {block}: {block.not_run}")
