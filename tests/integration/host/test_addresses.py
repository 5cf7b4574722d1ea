"""The addresses at which a host listens."""

import socket
import urllib.request
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from host import operations
from host.settings import Settings
from host.supervisor import listen

EVERY = ["127.0.0.1", "0.0.0.0"] + (["::"] if socket.has_dualstack_ipv6() else [])


@pytest.mark.parametrize("address", EVERY)
def test_the_metrics_port_is_reached_at_the_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = operations.serve(cast(Any, MagicMock()), Settings(http_host=address, metrics_port=port))
    assert server is not None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/liveness", timeout=5) as answer:
            assert (answer.status, answer.read()) == (200, b'{"status":"up"}')
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", EVERY)
def test_the_api_is_reached_at_the_address(address: str) -> None:
    with listen(address, 0) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5).close()
