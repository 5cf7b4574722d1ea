"""A worker whose own code fails."""

import os
import subprocess
import sys

from local.environment import PROJECT
from task_service.adapters.postgres.database import Database
from task_service.domain.messages import TaskMessage
from task_service.wiring.postgres import PostgresPlatform
from tests.support.postgres import Server

FAULTY = """
import os
from host import telemetry, worker
from host.settings import Settings

def fail(delivery):
    raise RuntimeError("a fault of ours")

telemetry.install()
worker.is_suspect = fail
worker.run(Settings.from_environment(os.environ))
"""


def test_what_it_has_in_hand_when_it_fails_counts_as_received(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        platform = PostgresPlatform(database=Database(conninfo=url))
        platform.queue.send(TaskMessage(task_id="t", attempt=1))
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "PYTHONPATH": f"{PROJECT / 'layers' / 'core'}{os.pathsep}{PROJECT}",
        }
        done = subprocess.run(
            [sys.executable, "-c", FAULTY], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60
        )
        [row] = platform.database.rows(
            f"SELECT read_ct, vt > clock_timestamp() AS is_hidden FROM pgmq.q_{platform.task_reader.queue}"
        )
        platform.close()
    assert "a thread of the worker has ended, or hangs" in done.stderr
    assert (done.returncode, row) == (1, {"read_ct": 1, "is_hidden": True})
