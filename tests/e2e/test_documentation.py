"""The commands of README.md and docs/, run as a reader would run them, against the local cloud."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.ports import HOST, Ports
from tests.support.documents import DOCUMENTS, command_blocks
from tests.support.transcripts import Transcript


@pytest.fixture
def transcript(cloud: LocalCloud) -> Transcript:
    """A transcript in which the addresses of the documents are those of the cloud that all tests share."""
    usual = Ports()
    return Transcript(
        {
            f"http://{HOST}:{usual.task}": cloud.api_url,
            f"{HOST}:{usual.target}": cloud.target_url.removeprefix("http://"),
            f"http://{HOST}:{usual.bridge}": cloud.bridge_url,
            f"http://{HOST}:{usual.cloud}": cloud.endpoint_url,
        },
        environment={
            "TASKCTL_URL": cloud.api_url,
            "NATS_ADDR": cloud.nats_url,
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
