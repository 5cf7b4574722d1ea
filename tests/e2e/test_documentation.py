"""The commands of README.md and docs/, run as a reader would run them, against the service on both platforms."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from local.cloud import LocalCloud
from local.own_server import OwnServer
from local.ports import HOST, Ports
from tests.support.api import eventually
from tests.support.behaviours import answer
from tests.support.documents import DOCUMENTS, command_blocks
from tests.support.postgres import Server
from tests.support.targets import HttpTarget
from tests.support.tokens import AUDIENCE, ISSUER, Issuer
from tests.support.transcripts import Transcript

PEOPLE: Final = ("ada", "bob")
"""The callers that have tokens."""
AUDITED: Final = {("created", "ada"), ("cancelled", "bob"), ("replayed", "bob")}
"""What they do in the documents, as audit lines name it."""


def transcript_of(service: LocalCloud | OwnServer, **environment: str) -> Transcript:
    """A transcript in which the addresses of the documents are those of a service."""
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
            **environment,
        },
    )


def transcript_with_tokens(service: LocalCloud | OwnServer, issuer: Issuer, folder: Path) -> Transcript:
    """The same where the service asks for tokens: each person's is a variable, and that of a profile."""
    tokens = {name: issuer.token(sub=name) for name in PEOPLE}
    profiles = folder / "profiles.toml"
    profiles.touch(mode=0o600)
    profiles.write_text(
        "\n".join(f'[{name}]\nurl = "{service.api_url}"\ntoken = "{token}"' for name, token in tokens.items())
    )
    variables = {name.upper(): token for name, token in tokens.items()}
    return transcript_of(service, TASKCTL_CONFIG=str(profiles), **variables)


@contextmanager
def asking_for_tokens(platform: str, issuer: Issuer, server: Server, folder: Path) -> Iterator[LocalCloud | OwnServer]:
    """The service with authentication on."""
    with HttpTarget() as keys:
        settings: Mapping[str, str] = {
            "AUTH_ENABLED": "on",
            "AUTH_JWK_URL": keys.on("/keys", answer(body=issuer.jwks())),
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_ISSUER": ISSUER,
        }
        if platform == "cloud":
            with LocalCloud(directory=folder, settings=settings) as cloud:
                yield cloud
        else:
            with (
                server.database(migrated=False) as url,
                OwnServer(directory=folder, settings={**settings, "DATABASE_URL": url}) as own_server,
            ):
                yield own_server


@pytest.fixture(params=["cloud", "own_server"])
def platform(request: pytest.FixtureRequest) -> str:
    """The platform on which the service runs."""
    return str(request.param)


@pytest.fixture
def transcript(platform: str, request: pytest.FixtureRequest) -> Transcript:
    """A transcript with a service that all tests share."""
    return transcript_of(request.getfixturevalue(platform))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_does_what_the_document_says(
    document: Path, transcript: Transcript, record_property: Callable[[str, object], None]
) -> None:
    for block in command_blocks(document):
        if block.has_tokens:
            continue
        if block.not_run is None:
            transcript.run(block)
        else:
            record_property("summary", f"not run: {block}: {block.not_run}")


def test_every_command_with_a_token_does_what_the_document_says(
    platform: str, postgres_server: Server, tmp_path: Path
) -> None:
    blocks = [block for document in DOCUMENTS for block in command_blocks(document) if block.has_tokens]
    assert blocks
    issuer = Issuer()
    with asking_for_tokens(platform, issuer, postgres_server, tmp_path) as service:
        transcript = transcript_with_tokens(service, issuer, tmp_path)
        for block in blocks:
            transcript.run(block)
        log = service.functions_log if isinstance(service, LocalCloud) else service.host_log
        eventually(lambda: audited(log) >= AUDITED, what="the log names who did it")


def audited(log: Path) -> set[tuple[str, str]]:
    """The changes in a log, each with the caller."""
    # The last line may not be whole yet. The local cloud writes the function's name before each.
    whole, _, _ = log.read_text(encoding="utf-8").rpartition("\n")
    lines = [json.loads(line[line.index("{") :]) for line in whole.splitlines() if '"audit"' in line]
    return {(line["audit"], line["sub"]) for line in lines if "sub" in line}
