"""A cold start imports what every request needs, and nothing of botocore."""

import os
import subprocess
import sys

import pytest

from local.environment import PROJECT

IMPORTED = """
import sys
import app
platform = app.services().platform
platform.tasks, platform.lists, platform.search, platform.keys, platform.queue, platform.bodies
platform.task_templates, platform.impatient().tasks
platform.bodies.store("key", "small")
print(*sorted(name for name in sys.modules if name.startswith(("botocore.", "boto3", "urllib3"))))
"""


@pytest.mark.parametrize("function", ["api", "events", "executor", "failures"])
def test_a_function_and_its_clients_do_not_import_botocore(function: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "layers/core"), str(PROJECT / "functions" / function)]),
        "AWS_REGION": "eu-central-1",
        "TABLE_NAME": "table",
        "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/queue",
        "BUCKET_NAME": "bucket",
        "POWERTOOLS_SERVICE_NAME": "task",
        "POWERTOOLS_METRICS_NAMESPACE": "TaskService",
    }

    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("\n", "")
