"""What the host's HTTP server refuses itself, with the errors of the API, and what it bounds."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from local.own_server import OwnServer
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, hang
from tests.support.targets import HttpTarget


def connect(server: OwnServer) -> socket.socket:
    address = urlsplit(server.api_url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    return data


def refusal(data: bytes) -> tuple[int, Any]:
    """Status and body of the one response that a connection has got before it was closed."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower(), data
    members = json.loads(body)
    assert set(members) == {"id", "kind", "message", "type", "title", "status", "detail"}
    status = int(head.split()[1])
    assert members["status"] == status
    return status, members["message"]


def refused(server: OwnServer, request: bytes) -> tuple[int, Any]:
    with connect(server) as connection:
        connection.sendall(request)
        return refusal(read_all(connection))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /liveness HTTP/1.1\r\nHost: a\r\nBad Header: 1\r\n\r\n",
        b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{}",
        b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/task/a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused(limited: OwnServer, request_bytes: bytes) -> None:
    assert refused(limited, request_bytes) == (400, "the request is not valid HTTP")


@pytest.mark.parametrize("many", [b"/" + b"a" * 20_000 + b" HTTP/1.1\r\n", b"/ HTTP/1.1\r\nX: " + b"a" * 20_000])
def test_a_head_that_is_too_large_is_refused(limited: OwnServer, many: bytes) -> None:
    status, message = refused(limited, b"GET " + many + b"\r\n\r\n")
    assert status == 431
    assert "at most 10240 bytes" in message


def test_a_head_that_does_not_arrive_is_refused(limited: OwnServer) -> None:
    begun = time.monotonic()
    assert refused(limited, b"GET / HTTP/1.1\r\nHost:") == (408, "the head did not arrive in time")
    assert time.monotonic() - begun < 5


def test_a_head_that_drips_is_refused(limited: OwnServer) -> None:
    with connect(limited) as connection:
        connection.settimeout(0.2)
        connection.sendall(b"GET /liveness HTTP/1.1\r\nX: ")
        begun = time.monotonic()
        data = b""
        while not data and time.monotonic() - begun < 8:
            connection.sendall(b"a")
            try:
                data = connection.recv(65_536)
            except TimeoutError:
                continue
        assert refusal(data)[0] == 408


def test_a_slow_head_on_a_kept_connection_is_refused_too(limited: OwnServer) -> None:
    with connect(limited) as connection:
        connection.sendall(b"GET /liveness HTTP/1.1\r\nHost: a\r\n\r\n")
        first = connection.recv(65_536)
        assert first.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /live")
        assert refusal(read_all(connection)) == (408, "the head did not arrive in time")


def test_a_body_that_does_not_arrive_is_refused(limited: OwnServer) -> None:
    request = b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"
    assert refused(limited, request) == (408, "the body did not arrive in time")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(limited: OwnServer) -> None:
    request = b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n"
    assert refused(limited, request) == (413, "payload too large: at most 5000000 bytes are allowed")


def test_a_body_of_chunks_that_never_ends_is_refused(limited: OwnServer) -> None:
    with connect(limited) as connection:
        connection.sendall(b"POST /v1/task/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
        data = b""
        try:
            for _ in range(64):
                connection.sendall(chunk)
            data = read_all(connection)
        except OSError:
            data = data or connection.recv(65_536)
        assert refusal(data)[0] == 413


def test_an_expectation_is_answered(limited: OwnServer) -> None:
    with connect(limited) as connection:
        head = b"POST /v1/task/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
        connection.sendall(head + b"Connection: close\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_all(connection).startswith(b"HTTP/1.1 404")
    assert refused(limited, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n")[0] == 417


def test_a_client_of_http_1_0_gets_one_answer_whatever_it_expects(limited: OwnServer) -> None:
    with connect(limited) as connection:
        connection.sendall(b"POST /v1/task/nothing HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
        assert read_all(connection).startswith(b"HTTP/1.0 404")


def test_more_connections_than_allowed_are_refused_and_the_next_ones_are_not(limited: OwnServer, api: Api) -> None:
    with ExitStack() as stack:
        most = [stack.enter_context(connect(limited)) for _ in range(401)]
        assert refusal(read_all(most[-1])) == (503, "there are too many connections")
    eventually(lambda: _is_alive(api), what="connections are accepted again")


def test_a_client_that_does_not_receive_its_answer_is_cut_off(limited: OwnServer, api: Api, target: HttpTarget) -> None:
    # More than the buffers of the system take.
    size = 4_900_000
    large = answer(body=b'"' + b"a" * size + b'"')
    task_id = api.create(api.template(target.on("/large", large)))
    path = f"/v1/taskResult/{task_id}"
    assert len(eventually(lambda: _result(api, path), what="it is done")) > size
    with connect(limited) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        eventually(lambda: not _is_open(limited, connection), what="it is cut off", seconds=20)
        assert _is_alive(api)


def _result(api: Api, path: str) -> bytes:
    answered = api.call("GET", path)
    return answered.body if answered.status == 200 else b""


def _is_open(server: OwnServer, connection: socket.socket) -> bool:
    """Whether the server has still its end of a connection."""
    port = connection.getsockname()[1]
    return any(
        each.raddr and each.raddr.port == port
        for process in psutil.Process(server.host_pid).children(recursive=True)
        for each in process.net_connections("tcp")
    )


def test_two_hundred_that_wait_keep_no_post_out(api: Api, target: HttpTarget) -> None:
    waiting = api.template(target.on("/waiting", hang(answer(), seconds=60)))
    quick = api.template(target.on("/quick", answer()))
    tasks = [api.create(waiting) for _ in range(5)]
    usual = _seconds_of_posts(api, quick)

    def wait(number: int) -> int:
        return api.call("GET", f"/v1/taskResult/{tasks[number % 5]}", None, {"Prefer": "wait=20"}).status

    with ThreadPoolExecutor(200) as clients:
        answers = [clients.submit(wait, number) for number in range(200)]
        target.wait_for_calls(5)
        busy = _seconds_of_posts(api, quick)
        assert not any(each.done() for each in answers)
        target.release()
        assert {each.result() for each in answers} == {200}
    # A few clients that share two cores with all of this need longer; minutes, if they waited for a thread.
    assert busy < max(10 * usual, 1.0), (usual, busy)


def test_if_too_many_wait_a_request_is_answered_at_once(api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/", hang(answer(), seconds=60))))

    def wait(_: int) -> bool:
        answered = api.call("GET", f"/v1/taskStatus/{task_id}", None, {"Prefer": "wait=15"})
        return "Preference-Applied" in answered.headers

    with ThreadPoolExecutor(260) as clients:
        answers = [clients.submit(wait, number) for number in range(260)]
        eventually(lambda: sum(each.done() for each in answers) == 40, what="40 are answered at once")
        target.release()
        assert sum(each.result() for each in answers) == 220


METRICS = (
    *(f"task_service_{name}_total" for name in ("created", "done", "failed", "retried", "attempts")),
    "task_service_create_to_done_seconds_count",
    *(f'task_service_queue_{name}{{queue="tasks"}}' for name in ("waiting", "hidden", "oldest_seconds")),
    'task_service_queue_waiting{queue="dead_letters"}',
    'task_service_pool_connections{state="used"}',
    "task_service_pool_waiting",
    "task_service_database_up",
)


def test_operators_see_metrics_and_whether_the_host_works(limited: OwnServer, api: Api, target: HttpTarget) -> None:
    api.failed(api.create(api.template(target.on("/wrong", answer(404)), acceptStatus=["200"])))
    operations = Api(limited.metrics_url)
    values = {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in metrics_of(operations) if not line.startswith("#"))
    }
    assert [name for name in METRICS if name not in values] == []
    assert values["task_service_failed_total"] >= 1
    assert values["task_service_database_up"] == 1
    assert operations.call("GET", "/liveness").json() == {"status": "up"}
    assert operations.call("GET", "/readiness").json() == {"status": "up"}
    assert operations.call("GET", "/elsewhere").status == 404


def metrics_of(operations: Api) -> list[str]:
    """The lines that Prometheus gets."""
    return operations.call("GET", "/metrics").body.decode().splitlines()


def test_every_line_of_the_log_is_json(limited: OwnServer, api: Api) -> None:
    api.call("GET", "/liveness")
    lines = [json.loads(line) for line in limited.host_log.read_text().splitlines()]
    assert {"level", "message", "timestamp", "service"} <= set.intersection(*(set(line) for line in lines))
    answered = [line for line in lines if line["message"] == "answered"]
    assert len({line["request_id"] for line in answered}) == len(answered)


def _is_alive(api: Api) -> bool:
    try:
        return api.call("GET", "/liveness").status == 200
    except OSError:
        return False


def _seconds_of_posts(api: Api, name: str) -> float:
    """The median time of a POST."""
    times = []
    for _ in range(11):
        begun = time.monotonic()
        api.create(name)
        times.append(time.monotonic() - begun)
    return sorted(times)[5]
