"""A server that is back after an outage is noticed soon, however long the outage was."""

import time
from contextlib import suppress

from task_service.adapters.postgres.database import Database, Patience
from task_service.domain.errors import Unavailable

NOBODY_LISTENS = "postgresql://127.0.0.1:9/postgres"

OUTAGE = 3.5
"""Seconds. A pool that doubles its pauses, from one second on, looks after three and then after seven."""

SOON = 2.0


def test_a_host_works_soon_after_its_database_is_back(url: str) -> None:
    begun = time.monotonic()

    def is_back() -> bool:
        return time.monotonic() - begun > OUTAGE

    database = Database(
        conninfo=lambda: url if is_back() else NOBODY_LISTENS, patience=Patience(connection=0.2, tries=1)
    )
    answer = None
    while answer is None and time.monotonic() - begun < OUTAGE + SOON:
        with suppress(Unavailable):
            answer = database.rows("SELECT 1 AS one")

    assert is_back()
    assert answer == [{"one": 1}]
    database.close()
