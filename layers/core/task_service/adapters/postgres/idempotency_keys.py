"""Idempotency keys in PostgreSQL.

──┬──────────────────────────────┬───────────────────┬──►  time
  │ first use: the id it stands  │ expires_at: may   │
  │ for; others meet it          │ be used anew      │ removed, sooner or later
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.domain.idempotency import KeyUse

COLUMNS: Final = "key_hash, id, fingerprint, expires_at"

HAS_EXPIRED: Final = "used.expires_at <= %(now)s"
"""Retention has not come to it yet, but the key is free."""


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresIdempotencyKeys:
    """The idempotency keys of one database."""

    database: Database

    # Of two that come at the same time the second waits until the first is durable or taken back, then meets it.
    PUT = f"""
        INSERT INTO task_service.idempotency_keys AS used ({COLUMNS})
        VALUES (%(key_hash)s, %(id)s, %(fingerprint)s, %(expires_at)s)
        ON CONFLICT (key_hash) DO UPDATE SET
            id = EXCLUDED.id, fingerprint = EXCLUDED.fingerprint, expires_at = EXCLUDED.expires_at
            WHERE {HAS_EXPIRED}
        RETURNING {COLUMNS}
    """

    def put(self, use: KeyUse, *, now: datetime) -> KeyUse:
        """Write the use of a key, unless it is in use; returns the use that is stored then."""
        while True:
            row = self.database.row(self.PUT, {**asdict(use), "now": now})
            if row is not None:
                return KeyUse(**row)
            # One that is removed between the two statements is written by the next round.
            used = self.get(use.key_hash, now=now)
            if used is not None:
                return used

    GET = f"SELECT {COLUMNS} FROM task_service.idempotency_keys WHERE key_hash = %(key_hash)s"

    def get(self, key_hash: str, *, now: datetime) -> KeyUse | None:
        """The use of a key at that time; None: it is free."""
        row = self.database.row(self.GET, {"key_hash": key_hash})
        use = KeyUse(**row) if row else None
        return use if use is not None and use.expires_at > now else None
