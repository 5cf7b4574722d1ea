"""What the handlers cost alone: CPU time of creating and running a task, without the local cloud.

    python -m tests.bench.handlers

The handlers run in a process of their own. In a second one, a stub answers as the table, the queue and the target, so
that none of their work is counted.
"""

import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self

from tests.bench.table import Row, render

PROJECT: Final = Path(__file__).resolve().parents[2]
ROUNDS: Final = 9
TASKS: Final = 100
"""Tasks of a round."""
BATCH: Final = 10
"""Messages that Lambda gives to the executor at once."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a handler does for a task."""

    milliseconds: float
    """CPU time."""
    log_bytes: float
    log_lines: float


@dataclass(frozen=True, slots=True)
class Handlers:
    """What both handlers do for a task."""

    create: Work
    read: Work
    alone: Work
    batched: Work


def measured(log_level: str = "INFO") -> Handlers:
    """What the handlers of this project do."""
    with stub() as url:
        command = [sys.executable, "-m", "tests.bench.handlers", "measure"]
        variables = environment(url) | {"LOG_LEVEL": log_level}
        done = subprocess.run(command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    return Handlers(*(Work(*figures[start : start + 3]) for start in (0, 3, 6, 9)))


def rows(found: Handlers, quiet: Handlers) -> list[Row]:
    """The figures; those of LogLevel=WARNING are in `quiet`."""
    create, alone, batched = found.create.milliseconds, found.alone.milliseconds, found.batched.milliseconds
    return [
        Row("CPU of the api handler, creating a task", f"{create:.2f} ms"),
        Row("CPU of the api handler, reading a task", f"{found.read.milliseconds:.2f} ms"),
        Row("CPU of the executor handler, a task alone", f"{alone:.2f} ms"),
        Row(f"CPU of the executor handler, a task of a batch of {BATCH}", f"{batched:.2f} ms"),
        Row("CPU of both handlers, a task alone", f"{create + alone:.2f} ms"),
        Row("CPU of both handlers, a batched task", f"{create + batched:.2f} ms"),
        *_logs("creating a task", found.create, quiet.create),
        *_logs("reading a task", found.read, quiet.read),
        *_logs("running a task alone", found.alone, quiet.alone),
        *_logs(f"running a task of a batch of {BATCH}", found.batched, quiet.batched),
    ]


def _logs(name: str, work: Work, quiet: Work) -> list[Row]:
    figure = f"{work.log_bytes:.0f} bytes, {work.log_lines:.1f} lines"
    return [Row(f"log of {name}", figure, f"LogLevel=WARNING: {quiet.log_bytes:.0f} bytes, the metrics")]


@contextmanager
def stub() -> Iterator[str]:
    """A process that answers as the table, the queue and the target; its URL."""
    command = [sys.executable, "-m", "tests.bench.handlers", "stub"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def environment(url: str) -> dict[str, str]:
    """The environment of a function that finds everything at the stub."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "layers/core"), str(PROJECT)]),
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "token" * 100,
        "TABLE_NAME": "table",
        "QUEUE_URL": f"{url}/1/queue",
        "UNREADABLE_QUEUE_URL": f"{url}/1/unreadable",
        "BUCKET_NAME": "bucket",
        "EGRESS_ALLOW": "127.0.0.0/8",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "task",
        "POWERTOOLS_METRICS_NAMESPACE": "TaskService",
        # Lambda sets it for each invocation, traced or not.
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=0",
    }


# -- the process that is measured


def measure() -> None:
    """Run the handlers and print, as JSON, the milliseconds of CPU of a task."""
    out, sys.stdout = sys.stdout, (logged := _Logged())
    api, executor = _handler("api"), _handler("executor")
    context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 60_000)
    creation = json.loads((PROJECT / "events/api-create-task.json").read_text())

    def create() -> str:
        answer = api(creation, context)
        assert answer["statusCode"] == 200, answer
        return str(json.loads(answer["body"])["taskID"])

    def read(task_id: str) -> None:
        resource = "/v1/taskStatus/{taskID}"
        path = {"resource": resource, "path": f"/v1/taskStatus/{task_id}", "pathParameters": {"taskID": task_id}}
        assert api({**creation, **path, "httpMethod": "GET", "body": None}, context)["statusCode"] == 201

    def run(ids: list[str]) -> None:
        assert executor({"Records": [_record(task_id) for task_id in ids]}, context) == {"batchItemFailures": []}

    run([create()])  # reads the template, opens the connections
    figures: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        with _Meter(logged) as creating:
            ids = [create() for _ in range(TASKS)]
        with _Meter(logged) as reading:
            for task_id in ids:
                read(task_id)
        with _Meter(logged) as alone:
            for task_id in ids:
                run([task_id])
        ids = [create() for _ in range(TASKS)]
        with _Meter(logged) as batched:
            for start in range(0, TASKS, BATCH):
                run(ids[start : start + BATCH])
        figures.append(tuple(figure for meter in (creating, reading, alone, batched) for figure in meter.figures))
    sys.stdout = out
    print(json.dumps([statistics.median(column) for column in zip(*figures, strict=True)]))


class _Logged(io.StringIO):
    """Counts what the functions print, and keeps none of it."""

    bytes = 0
    lines = 0

    def write(self, text: str) -> int:
        self.bytes += len(text.encode())
        self.lines += text.count("\n")
        return len(text)


class _Meter:
    """The CPU time and the log of a round, a task."""

    def __init__(self, logged: _Logged) -> None:
        self._logged = logged

    def __enter__(self) -> Self:
        self._before = time.process_time(), self._logged.bytes, self._logged.lines
        return self

    def __exit__(self, *_: object) -> None:
        cpu, written, lines = self._before
        milliseconds = (time.process_time() - cpu) * 1000
        self.figures = tuple(
            figure / TASKS for figure in (milliseconds, self._logged.bytes - written, self._logged.lines - lines)
        )


def _handler(function: str) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location(f"{function}_app", PROJECT / "functions" / function / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = module.handler
    return handler


def _record(task_id: str) -> dict[str, Any]:
    return {
        "messageId": task_id,
        "receiptHandle": task_id,
        "body": json.dumps({"id": task_id, "attempt": 1}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795510800000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:task-service-tasks",
        "awsRegion": "eu-central-1",
    }


# -- the stub


class Stub(ThreadingHTTPServer):
    """Answers as the table, the queue and the target do for a task that all goes well for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._tasks: dict[str, dict[str, Any]] = {}
        self._template = {
            "pk": {"S": "TASKTEMPLATE#hello"},
            "sk": {"S": "-"},
            "name": {"S": "hello"},
            "document": {"S": json.dumps({"name": "hello", "url": f"{self.url}/hello", "method": "POST"})},
            "etag": {"S": "1"},
        }

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request for the table or the queue."""
        match operation:
            case "GetItem":
                return {"Item": self._tasks.get(request["Key"]["pk"]["S"], self._template)}
            case "PutItem":
                item = request["Item"]
                self._tasks[item["pk"]["S"]] = item
                return {}
            case "UpdateItem":
                pk, values = request["Key"]["pk"]["S"], request["ExpressionAttributeValues"]
                if ":new_lease" not in values:
                    del self._tasks[pk]
                    return {}
                task = self._tasks[pk]
                task |= {name: values[f":new_{name}"] for name in ("state", "lease", "holder", "startedAt")}
                return {"Attributes": task}
            case "SendMessage":
                return {"MessageId": "1", "MD5OfMessageBody": "0"}
        raise AssertionError(operation)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        answer = self.server.answer(operation, json.loads(body)) if operation else {"hello": "world"}
        text = json.dumps(answer).encode()
        lines = [
            "HTTP/1.1 200 OK",
            "Server: Server",
            f"Date: {self.date_time_string()}",
            f"Content-Type: application/{'x-amz-json-1.0' if operation else 'json'}",
            f"Content-Length: {len(text)}",
            "Connection: keep-alive",
            "x-amzn-RequestId: B2C4D6EXAMPLEB2C4D6EXAMPLEB2C4D6EXAMPLEB2C4D6EXAMPLE",
            f"x-amz-crc32: {zlib.crc32(text)}",
        ]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stub"]:
            server = Stub()
            print(server.url, flush=True)
            server.serve_forever()
        case ["measure"]:
            measure()
        case _:
            print(render("Handlers alone", rows(measured(), measured("WARNING"))))
