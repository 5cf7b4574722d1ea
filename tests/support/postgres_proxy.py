"""A wire to a PostgreSQL server that a test can cut while an answer is on its way."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SOCKET = ".s.PGSQL.5432"


class Wire:
    """Passes on what a client and a server say to each other, on a socket of its own."""

    def __init__(self, url: str) -> None:
        parameters = conninfo_to_dict(url)
        self._server = Path(str(parameters["host"])) / SOCKET
        self._folder = Path(tempfile.mkdtemp(prefix="task-service-wire-"))
        self.url = make_conninfo(url, host=str(self._folder))
        self._losing = threading.Event()
        self.lost = threading.Event()
        """Set once an answer was lost."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self) -> None:
        """Cut the next connection on which the server answers, instead of passing its answer on."""
        self.lost.clear()
        self._losing.set()

    def close(self) -> None:
        """Accept no further connections."""
        self._listener.close()
        shutil.rmtree(self._folder)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        # The other direction may end while this one sends.
        with suppress(OSError):
            while data := source.recv(65_536):
                if answers and self._losing.is_set():
                    self._losing.clear()
                    self.lost.set()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        # The other direction's thread reads from the other one.
        source.close()
