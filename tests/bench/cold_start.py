"""What a cold start costs: CPU time of importing a function and making its clients."""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.bench.table import Row

PROJECT: Final = Path(__file__).resolve().parents[2]
ROUNDS: Final = 9

EVERYTHING: Final = """
import boto3
boto3.client("dynamodb"); boto3.client("sqs")
import pydantic
for number in range(10):
    class Model(pydantic.BaseModel):
        a: int
        b: str | None = None
        c: list[str] = []
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
APIGatewayRestResolver(enable_validation=True)
"""

API: Final = """
import app
services = app.services()
services.task_creator, services.task_reader
"""

EXECUTOR: Final = """
import app
services = app.services()
services.message_handler
"""


def rows(layer: Path) -> list[Row]:
    """The figures, of the layer as it is built (with .pyc) and of the same libraries as they are installed."""
    site = [path for path in sys.path if path.endswith("site-packages")]
    cases = {
        "empty interpreter": ("pass", []),
        "boto3, two clients, ten pydantic models, resolver with validation": (EVERYTHING, site),
        "api function": ("import app", [str(PROJECT / "functions/api"), str(layer / "python")]),
        "api function, with the two clients of its first request": (
            API,
            [str(PROJECT / "functions/api"), str(layer / "python")],
        ),
        "executor function, with its clients": (EXECUTOR, [str(PROJECT / "functions/executor"), str(layer / "python")]),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    # Round by round, so that a busy moment of the machine meets all alike.
    for _ in range(ROUNDS):
        for name, (code, path) in cases.items():
            times[name].append(_cpu_milliseconds(code, path))
    medians = {name: statistics.median(values) for name, values in times.items()}
    _, everything, api, with_clients, _ = medians.values()
    figures = [Row(f"import CPU: {name}", f"{value:.0f} ms") for name, value in medians.items()]
    return [
        *figures,
        Row("api function / everything", f"{api / everything:.2f}", "aim: at most 0.55"),
        Row("api function with its clients / everything", f"{with_clients / everything:.2f}"),
    ]


def _cpu_milliseconds(code: str, path: list[str]) -> float:
    """CPU time of running `code` in a new interpreter that sees `path` only."""
    timed = f"import time\nstart = time.process_time()\n{code}\nprint((time.process_time() - start) * 1000)"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE_NAME": "table",
        "QUEUE_URL": "http://127.0.0.1:9/queue",
        "BUCKET_NAME": "bucket",
        "POWERTOOLS_SERVICE_NAME": "task",
        "POWERTOOLS_METRICS_NAMESPACE": "TaskService",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
    }
    interpreter = [sys.executable, "-S", "-c", timed]
    done = subprocess.run(interpreter, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])
