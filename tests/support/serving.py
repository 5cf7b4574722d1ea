"""An HTTP server of a test, in threads of this process."""

import threading
from http.server import ThreadingHTTPServer
from typing import Self


class Serving:
    """A server on a free port of 127.0.0.1; a context manager."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        server.daemon_threads = True
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="serving")
        self.url = f"http://127.0.0.1:{server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
