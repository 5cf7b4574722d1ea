"""The local cloud as containers reach it, and the files with which `sam local` runs the functions on it."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.cloud import LocalCloud
from local.environment import PROJECT
from local.errors import LocalCloudError
from local.ports import HOST, Ports, claim, listen, parse_host
from local.relay import relay
from local.sam_local import EVENTS, prepare_sam_local
from local.stack import Stack
from tests.integration.conftest import Copy
from tests.support.sessions import direct

OTHER = "127.0.0.2"
"""An address beside 127.0.0.1 that this machine has without a container engine."""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(directory=tmp_path_factory.mktemp("reached"), listen_host=OTHER) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def written(reached: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what is written for this cloud."""
    build = tmp_path_factory.mktemp("build")
    (build / "build").mkdir()
    shutil.copy(PROJECT / "template.yaml", build / "build")
    return prepare_sam_local(reached.endpoint, ports=ports_of(reached), host=OTHER, build=build)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with direct() as session:
        yield session


def ports_of(cloud: LocalCloud) -> Ports:
    return Ports(cloud=port_of(cloud.endpoint_url), target=port_of(cloud.target_url))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- the other address


def test_the_services_and_the_demo_target_also_answer_there(reached: LocalCloud, http: requests.Session) -> None:
    body = "x" * 2_000_000

    services = http.get(f"http://{OTHER}:{port_of(reached.endpoint_url)}/_localstack/health")
    target = http.post(f"http://{OTHER}:{port_of(reached.target_url)}/hello", data=body)

    assert services.status_code == 200
    assert target.json()["body"] == body


def test_nothing_answers_there_unless_it_is_asked_for(cloud: LocalCloud) -> None:
    for url in (cloud.endpoint_url, cloud.target_url):
        listen(port_of(url), "a port that is free at the other address", OTHER).close()


@pytest.mark.parametrize("value", ["0.0.0.0", HOST, "::1", "host.docker.internal", "172.17.0.256", ""])
def test_an_address_that_is_none_or_is_every_one_is_refused(value: str) -> None:
    with pytest.raises(LocalCloudError, match="LISTEN_HOST"):
        parse_host(value, "LISTEN_HOST")


def test_an_address_that_this_machine_does_not_have_is_an_error(tmp_path: Path) -> None:
    cloud = LocalCloud(directory=tmp_path, listen_host="203.0.113.7")
    try:
        with pytest.raises(LocalCloudError, match=r"cannot listen on port \d+ of 203\.0\.113\.7 \(CLOUD_PORT\)"):
            cloud.start()
    finally:
        cloud.stop()


@contextlib.asynccontextmanager
async def relayed(server_port: int) -> AsyncIterator[int]:
    """The port of a relay to this one."""
    with listen(0, "the relay's port") as listener:
        port: int = listener.getsockname()[1]
        relaying = asyncio.create_task(relay({listener.detach(): server_port}))
    yield port
    relaying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await relaying


async def received_through_a_relay_of(server_port: int, *, sent: bytes) -> bytes:
    """What a client receives until the connection ends."""
    async with relayed(server_port) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        received = await asyncio.wait_for(reader.read(), timeout=10)
        writer.close()
        return received


def test_a_server_that_is_not_there_is_a_connection_that_ends() -> None:
    nowhere = claim(0, "nothing")

    assert asyncio.run(received_through_a_relay_of(nowhere, sent=b"hello")) == b""


def test_a_connection_that_the_server_ends_ends_for_the_client_after_all_that_was_sent() -> None:
    answer = b"y" * 1_000_000

    async def answer_and_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"hello"
        writer.write(answer)
        writer.close()

    async def between() -> bytes:
        async with await asyncio.start_server(answer_and_end, HOST, 0) as server:
            return await received_through_a_relay_of(server.sockets[0].getsockname()[1], sent=b"hello")

    assert asyncio.run(between()) == answer


def test_a_connection_that_the_client_ends_ends_for_the_server() -> None:
    async def between() -> bytes:
        seen: asyncio.Queue[bytes] = asyncio.Queue()

        async def see(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.put_nowait(await reader.read())
            writer.close()

        async with (
            await asyncio.start_server(see, HOST, 0) as server,
            relayed(server.sockets[0].getsockname()[1]) as port,
        ):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"hello")
            writer.close()
            return await asyncio.wait_for(seen.get(), timeout=10)

    assert asyncio.run(between()) == b"hello"


# ---- what is written


def test_every_variable_of_a_function_is_declared_because_sam_sets_no_other(written: Path) -> None:
    resources = read(written / "template.json")["Resources"]
    environment = read(written / "env.json")

    functions = {name for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}
    assert environment.keys() == functions
    for name, variables in environment.items():
        assert variables.keys() <= resources[name]["Properties"]["Environment"]["Variables"].keys()


def test_the_functions_work_on_the_running_cloud_at_the_address_that_containers_reach(
    written: Path, reached: LocalCloud
) -> None:
    environment = read(written / "env.json")

    for name in ("ApiFunction", "ExecutorFunction", "EventsFunction", "FailuresFunction"):
        assert (
            environment[name].items()
            >= {
                "TABLE_NAME": reached.outputs["TableName"],
                "QUEUE_URL": reached.outputs["QueueUrl"],
                "BUCKET_NAME": reached.outputs["BucketName"],
                "AWS_ENDPOINT_URL": f"http://{OTHER}:{port_of(reached.endpoint_url)}",
                "AWS_REGION": reached.endpoint.region,
            }.items()
        )
    assert environment["ApiFunction"]["TEMPLATE_WRITES"] == "on"
    assert OTHER in environment["ExecutorFunction"]["EGRESS_ALLOW"].split(", ")


def test_the_folders_of_the_build_are_found_from_the_template(written: Path) -> None:
    resources = read(written / "template.json")["Resources"]

    assert resources["ApiFunction"]["Properties"]["CodeUri"] == "../build/functions/api"
    assert resources["CoreLayer"]["Properties"]["ContentUri"] == "../build/layers/core"


def test_every_sample_event_is_written_and_has_nothing_left_to_fill(written: Path) -> None:
    assert {path.name for path in (written / "events").iterdir()} == {path.name for path in EVENTS.glob("*.json")}
    for path in (written / "events").iterdir():
        assert "${" not in path.read_text(encoding="utf-8")
        for record in read(path).get("Records", ()):
            assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


def test_the_result_that_a_sample_reads_is_there(written: Path, reached: LocalCloud, http: requests.Session) -> None:
    event = read(written / "events" / "api-task-result.json")

    result = http.get(reached.api_url + event["path"])

    assert (result.status_code, result.json()["path"]) == (200, "/hello")


@pytest.mark.parametrize(("name", "template"), [("executor", "samLocal"), ("failures", "hello")])
def test_the_tasks_that_a_sample_handles_wait_for_it(
    written: Path, reached: LocalCloud, http: requests.Session, name: str, template: str
) -> None:
    for record in read(written / "events" / f"{name}.json")["Records"]:
        message = json.loads(record["body"])
        status = http.get(f"{reached.api_url}/v1/taskStatus/{message['id']}").json()
        assert (message["attempt"], status["status"], status["name"]) == (1, "created", template)


def test_the_queue_of_the_samples_is_gone(written: Path, reached: LocalCloud) -> None:
    assert written.is_dir()
    assert "task-service-samples" not in json.dumps(reached.client("sqs").list_queues()["QueueUrls"])


# ---- when something is missing


def test_without_a_build_it_says_how_to_get_one(reached: LocalCloud, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match="nothing is built"):
        prepare_sam_local(reached.endpoint, ports=ports_of(reached), host=OTHER, build=tmp_path)


def test_before_the_stack_is_there_it_says_so(
    reached: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "outputs", lambda _: {})
    (tmp_path / "build").mkdir()
    shutil.copy(PROJECT / "template.yaml", tmp_path / "build")

    with pytest.raises(LocalCloudError, match="the stack task-service is not deployed yet"):
        prepare_sam_local(reached.endpoint, ports=ports_of(reached), host=OTHER, build=tmp_path)


def test_without_a_cloud_it_says_how_to_start_one(copy: Copy) -> None:
    program: subprocess.Popen[str] = copy.begin("sam-local")

    _, errors = program.communicate(timeout=30)

    assert (program.returncode, "`make run` starts one" in errors) == (1, True)


def test_the_local_cloud_does_not_start_where_it_would_be_open_to_the_network(copy: Copy) -> None:
    program: subprocess.Popen[str] = copy.begin("run", LISTEN_HOST="0.0.0.0")

    _, errors = program.communicate(timeout=30)

    assert (program.returncode, "LISTEN_HOST is 0.0.0.0; an address of one network is expected" in errors) == (1, True)
