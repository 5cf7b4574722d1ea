"""The health check of the host's container."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from local.environment import PROJECT


@contextmanager
def host_that_answers(status: int) -> Iterator[str]:
    """What answers as a host does; its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/liveness" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


def checked(**variables: str) -> tuple[int, str]:
    """The exit code of the health check, and what it says."""
    # No proxy is there.
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    check = subprocess.run(
        [sys.executable, "-m", "host.check"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **proxies, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return check.returncode, check.stderr


def test_a_host_that_answers_is_healthy_at_whatever_address_it_listens() -> None:
    with host_that_answers(200) as port:
        assert checked(METRICS_PORT=port) == (0, "")
        assert checked(METRICS_PORT=port, HTTP_HOST="0.0.0.0") == (0, "")
        assert checked(METRICS_PORT=port, HTTP_HOST="127.0.0.1") == (0, "")


def test_a_host_that_answers_with_an_error_is_not() -> None:
    with host_that_answers(503) as port:
        assert checked(METRICS_PORT=port) == (1, "error: the host answers with 503\n")


def test_a_host_that_does_not_answer_is_not() -> None:
    with host_that_answers(200) as port:
        pass
    code, said = checked(METRICS_PORT=port)
    assert code == 1
    assert said.startswith("error: the host does not answer: ")


def test_a_host_without_metrics_has_nothing_to_ask() -> None:
    assert checked(METRICS_PORT="0") == (0, "")
