"""The local cloud: started, used, redeployed and stopped as people and tests do it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from aiohttp.test_utils import TestClient, TestServer

from local.aws import Endpoint
from local.cloud import LocalCloud
from local.environment import PROJECT
from local.front import front
from local.ports import claim
from tests.integration.conftest import Copy, is_running, processes_below
from tests.support.codings import gzipped
from tests.support.events import structured
from tests.support.nats import publish
from tests.support.sessions import direct
from tests.support.waiting import wait_until

AS_SENT = "a/b c%2Fd%+ü€\n"


@pytest.fixture(scope="module")
def http() -> requests.Session:
    return direct()


def result_of(api_url: str, http: requests.Session, task_id: str) -> requests.Response:
    """The result, good or bad, as soon as there is one."""
    url = f"{api_url}/v1/taskResult/{task_id}"
    wait_until(lambda: http.get(url).status_code != 404)
    return http.get(url)


# ---- used by tests, as an object


def test_an_example_runs_from_creation_to_its_result(cloud: LocalCloud, http: requests.Session) -> None:
    created = http.post(f"{cloud.api_url}/v1/task/hello", data='{"greeting": "hello"}')
    assert created.status_code == 200, created.text

    result = result_of(cloud.api_url, http, created.json()["taskID"])

    assert result.status_code == 200
    assert result.json()["body"] == {"greeting": "hello"}
    assert result.json()["headers"]["Idempotency-Key"] == created.json()["taskID"]


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzipped(b'{"a": 1}'), 200),
        ("deflate", zlib.compress(b'{"a": 1}'), 200),
        ("identity", b'{"a": 1}', 200),
        ("br", b'{"a": 1}', 415),
        ("gzip", b'{"a": 1}', 415),
        ("gzip", gzipped(b'{"a": 1}')[:-5], 415),
        ("gzip", gzipped(bytes(13_000_000)), 413),
        ("gzip", gzipped(b"oops"), 400),
    ],
)
def test_a_compressed_body_is_answered_as_on_aws(
    cloud: LocalCloud, http: requests.Session, coding: str, body: bytes, status: int
) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = http.post(f"{cloud.api_url}/v1/task/hello", data=body, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    if status == 200:
        assert result_of(cloud.api_url, http, answer.json()["taskID"]).json()["body"] == {"a": 1}
    else:
        assert (answer.json()["kind"], answer.json()["status"]) == (1, status)
        assert set(answer.json()) == {"id", "kind", "message", "type", "title", "status", "detail"}


def test_an_encoded_name_arrives_decoded_once(cloud: LocalCloud, http: requests.Session) -> None:
    path = f"/v1/taskTemplates/{quote(AS_SENT, safe='')}"
    template = {"name": AS_SENT, "url": f"{cloud.target_url}/hello", "method": "POST"}
    assert http.put(cloud.api_url + path, json=template).status_code in (200, 201)

    task = http.post(f"{cloud.api_url}/v1/task/{quote(AS_SENT, safe='')}", json={}).json()["taskID"]

    assert http.get(f"{cloud.api_url}/v1/taskStatus/{task}").json()["name"] == AS_SENT
    assert http.delete(cloud.api_url + path).ok


def test_an_unknown_route_is_answered_by_the_gateway_in_our_words(cloud: LocalCloud, http: requests.Session) -> None:
    answer = http.get(f"{cloud.api_url}/v1/unknown/")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json().items() >= {"kind": 5, "status": 404}.items()
    assert {"id", "message", "type", "title", "detail"} <= answer.json().keys()


def test_the_front_adds_nothing_of_its_own_and_nothing_of_the_emulator(
    cloud: LocalCloud, http: requests.Session
) -> None:
    answer = http.get(f"{cloud.api_url}/liveness")

    of_the_api = {"content-type", "cache-control", "x-content-type-options"}
    assert {name.lower() for name in answer.headers} <= of_the_api | {"content-length", "date"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_reach_the_function(cloud: LocalCloud, http: requests.Session, method: str) -> None:
    answer = http.request(method, f"{cloud.api_url}/v1/task/hello")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("megabytes", [11, 13])
def test_a_body_that_is_too_large_is_refused_in_our_words(
    cloud: LocalCloud, http: requests.Session, megabytes: int
) -> None:
    answer = http.post(f"{cloud.api_url}/v1/task/hello", data=b'"' + b"x" * megabytes * 1024 * 1024 + b'"')

    assert answer.status_code == 413
    assert answer.json()["kind"] == 1


def test_what_the_emulator_leaves_out_is_set(cloud: LocalCloud) -> None:
    table = cloud.outputs["TableName"]
    expiry = cloud.client("dynamodb").describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}

    gateway = cloud.client("apigateway")
    api = cloud.outputs["ApiId"]
    throttled = gateway.get_gateway_response(restApiId=api, responseType="THROTTLED")
    assert throttled["statusCode"] == "429"
    deployments = len(gateway.get_deployments(restApiId=api)["items"])

    cloud.deploy()

    assert cloud.outputs["ApiId"] == api
    assert len(gateway.get_deployments(restApiId=api)["items"]) == deployments


def test_a_killed_function_process_is_replaced(cloud: LocalCloud, http: requests.Session) -> None:
    http.get(f"{cloud.api_url}/liveness")
    before = cloud.worker_pids("ApiFunction")
    assert before

    for pid in before:
        os.kill(pid, signal.SIGKILL)

    wait_until(lambda: http.get(f"{cloud.api_url}/liveness").status_code == 200)
    assert not set(before) & set(cloud.worker_pids("ApiFunction"))


def test_what_functions_print_is_in_one_file(cloud: LocalCloud, http: requests.Session) -> None:
    task = http.post(f"{cloud.api_url}/v1/task/hello", json={}).json()["taskID"]

    def functions_that_name_it() -> set[str]:
        lines = cloud.functions_log.read_text(encoding="utf-8").splitlines()
        return {line.partition(" ")[0] for line in lines if task in line}

    wait_until(lambda: functions_that_name_it() == {"ApiFunction", "ExecutorFunction"})


def test_without_a_cloud_behind_it_the_front_answers_in_our_words(http: requests.Session) -> None:
    async def ask() -> tuple[int, dict[str, Any]]:
        nowhere = Endpoint(url=f"http://127.0.0.1:{claim(0, 'CLOUD_PORT')}")
        async with TestClient(TestServer(front(nowhere))) as client, client.get("/liveness") as answer:
            return answer.status, await answer.json()

    status, error = asyncio.run(ask())

    assert status == 502
    assert error.items() >= {"kind": 7, "status": 502, "title": "Bad Gateway"}.items()


# ---- used by people, as a program


def test_a_deployment_takes_effect_at_the_same_address_and_a_signal_ends_everything(
    copy: Copy, running: subprocess.Popen[str], http: requests.Session
) -> None:
    # given a cloud that runs and has answered
    assert http.get(f"{copy.api_url}/v1/added").status_code == 404
    assert "X-Edited" not in http.get(f"{copy.api_url}/liveness").headers

    # when the function, the layer and the routes are edited and deployed
    with (copy.folder / "functions/api/app.py").open("a", encoding="utf-8") as code:
        code.write(
            "\nfrom task_service.edited import EDITED\n_handler = handler\n\n"
            "def handler(event, context):\n"
            "    answer = _handler(event, context)\n"
            "    answer.setdefault('multiValueHeaders', {})['X-Edited'] = [EDITED]\n"
            "    return answer\n"
        )
    (copy.folder / "layers/core/task_service/edited.py").write_text("EDITED = 'yes'\n")
    copy.edit("template.yaml", "/liveness: *methods", "/liveness: *methods\n          /v1/added: *methods")
    code_of_deploy, output, errors = copy.call("deploy")

    # then all of it takes effect at the same address, and the settings of the start still hold
    assert (code_of_deploy, errors) == (0, "")
    assert copy.api_url in output
    assert http.get(f"{copy.api_url}/v1/added").headers["X-Edited"] == "yes"
    assert http.get(f"{copy.api_url}/liveness").headers["X-Edited"] == "yes"
    functions = copy.endpoint.client("lambda").list_functions()["Functions"]
    assert {function["Environment"]["Variables"]["LOG_LEVEL"] for function in functions} == {"DEBUG"}

    # when the program alone is told to end, twice
    everything = processes_below(running.pid)
    assert len(everything) > 3
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGINT)

    # then nothing is left of it
    assert running.wait(timeout=10) == 0
    assert not [pid for pid in everything if is_running(pid)]
    assert list(copy.temporary.iterdir()) == []


def test_a_part_that_ends_is_started_again_and_that_is_said(
    copy: Copy, running: subprocess.Popen[str], http: requests.Session
) -> None:
    assert running.stdout is not None
    task = http.post(f"{copy.api_url}/v1/task/hello", json={"kept": "yes"}).json()["taskID"]
    assert result_of(copy.api_url, http, task).ok

    for module, name in (("local.nats", "The NATS server"), ("bridge", "The bridge"), ("local.web", "The API's front")):
        os.kill(process_of(running, module), signal.SIGKILL)
        assert next_line(running) == f"{name} has ended with exit code -9; it is started again."

    # Nothing is lost, and events arrive again.
    assert result_of(copy.api_url, http, task).json()["body"] == {"kept": "yes"}
    bridge = f"http://127.0.0.1:{copy.ports['BRIDGE_PORT']}/health"
    wait_until(lambda: answers_well(http, bridge))
    publish(f"nats://127.0.0.1:{copy.ports['NATS_PORT']}", [structured("1")])
    wait_until(lambda: bool(http.get(f"{copy.api_url}/v1/tasks?name=cacheEvent").json()["items"]))

    # Only the emulator's end costs what it had in memory.
    os.kill(process_of(running, "local.emulator"), signal.SIGKILL)
    assert next_line(running) == "The cloud has ended with exit code -9; it is started again."
    assert "memory is gone" in next_line(running)
    assert next_line(running) == "It is ready again."
    assert http.get(f"{copy.api_url}/v1/taskStatus/{task}").status_code == 404
    again = http.post(f"{copy.api_url}/v1/task/hello", json={}).json()["taskID"]
    assert result_of(copy.api_url, http, again).ok


def process_of(program: subprocess.Popen[str], module: str) -> int:
    [found] = [
        pid
        for pid in processes_below(program.pid)
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
    return found


def next_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


def answers_well(http: requests.Session, url: str) -> bool:
    try:
        return http.get(url).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("variable", ["CLOUD_PORT", "TASK_PORT", "TARGET_PORT", "NATS_PORT", "BRIDGE_PORT"])
def test_a_port_in_use_is_named(copy: Copy, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, output, errors = copy.call("run", **{variable: str(port)})

    assert code == 1
    assert output == ""
    assert errors == (
        f"error: port {port} is in use: stop what listens there, or choose another with {variable}=<port>\n"
    )
    assert list(copy.temporary.iterdir()) == []


def test_deploying_without_a_cloud_says_how_to_start_one(copy: Copy) -> None:
    code, _, errors = copy.call("deploy")

    assert code == 1
    assert "`make run` starts one" in errors


def test_everything_ends_with_a_program_that_is_killed(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    program = (
        "import pathlib, sys, time; from local.cloud import LocalCloud\n"
        "LocalCloud(directory=pathlib.Path(sys.argv[1])).start(); print('started', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "logs")],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        everything = processes_below(process.pid)

        process.kill()

        wait_until(lambda: not any(is_running(pid) for pid in everything))
    assert list(temporary.iterdir()) == []
