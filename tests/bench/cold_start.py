"""What a cold start costs: CPU time of importing a function and making its clients.

    PYTHONPATH=layers/core python -m tests.bench.cold_start

measures the layer that the local cloud has built.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.bench.table import Row, render

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

CLIENTS: Final = """
import app
platform = app.services().platform
platform.tasks, platform.queue, platform.bodies, platform.task_templates
"""


def rows(layer: Path) -> list[Row]:
    """The figures, of the layer as it is built (with .pyc) and of the same libraries as they are installed."""
    site = [path for path in sys.path if path.endswith("site-packages")]
    cases = {
        "empty interpreter": ("pass", []),
        "everything: boto3, two clients, ten pydantic models, resolver with validation": (EVERYTHING, site),
    }
    for function in ("api", "executor", "events", "failures"):
        path = [str(PROJECT / "functions" / function), str(layer / "python")]
        cases[f"{function} function"] = ("import app", path)
        cases[f"{function} function, with its clients"] = (CLIENTS, path)
    times: dict[str, list[float]] = {name: [] for name in cases}
    # Round by round, so that a busy moment of the machine meets all alike.
    for _ in range(ROUNDS):
        for name, (code, path) in cases.items():
            times[name].append(_cpu_milliseconds(code, path))
    medians = {name: statistics.median(values) for name, values in times.items()}
    _, everything, *_ = medians.values()
    return [
        *(Row(f"import CPU: {name}", f"{value:.0f} ms") for name, value in medians.items()),
        *(
            Row(f"{function} function, with its clients / everything", f"{share:.2f}", f"aim: at most {aim:.2f}")
            for function, aim in (("api", 0.30), ("executor", 0.40))
            for share in [medians[f"{function} function, with its clients"] / everything]
        ),
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
        "UNREADABLE_QUEUE_URL": "http://127.0.0.1:9/unreadable",
        "BUCKET_NAME": "bucket",
        "POWERTOOLS_SERVICE_NAME": "task",
        "POWERTOOLS_METRICS_NAMESPACE": "TaskService",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
    }
    interpreter = [sys.executable, "-S", "-c", timed]
    done = subprocess.run(interpreter, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(render("Cold start", rows(PROJECT / ".build" / f"core-{running}")))
