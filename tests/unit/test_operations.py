"""The host's metrics, where processes were killed."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from host.operations import BEING_MADE, _text


def test_a_process_that_was_killed_before_it_wrote_a_metric_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    killed = tmp_path / "counter_7.db"
    killed.touch()
    os.utime(killed, (time.time() - 2 * BEING_MADE,) * 2)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    assert _text(registry) == b""
    assert not killed.exists()
