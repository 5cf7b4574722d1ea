"""Bodies and results: small ones stay in the record, large ones have a row of their own.

A waiting client reads the record again and again, and must not get megabytes with it each time.
"""

from dataclasses import dataclass
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.domain import json_text
from task_service.domain.errors import NotFound
from task_service.domain.task import Body

INLINE_BYTES: Final = 32_000
"""Up to this size a body is kept in the record. PostgreSQL moves what is more than 2 kB out of the row itself, so that
an update does not write it again."""


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresBodies:
    """The bodies of one database."""

    database: Database

    STORE = """
        INSERT INTO task_service.bodies (key, text, stored_at) VALUES (%(key)s, %(text)s, clock_timestamp())
        ON CONFLICT (key) DO UPDATE SET text = EXCLUDED.text, stored_at = EXCLUDED.stored_at
    """

    def store(self, key: str, text: str) -> Body:
        """Make `text` ready to be written into a record; a large one is durable under `key` on return."""
        if json_text.size(text) <= INLINE_BYTES:
            return Body(text=text)
        self.database.rows(self.STORE, {"key": key, "text": text})
        return Body(blob=key)

    LOAD = "SELECT text FROM task_service.bodies WHERE key = %(key)s"

    def load(self, body: Body) -> str:
        """The text of a stored body. Raises NotFound where its retention has ended."""
        if body.text is not None:
            return body.text
        row = self.database.row(self.LOAD, {"key": body.blob})
        if row is None:
            raise NotFound("it is no longer kept")
        return str(row["text"])
