"""The attempts of a task that have ended, as its record keeps them: the last few, in a text of a few bytes each."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

MOST: Final = 20
"""The most attempts that are kept; the older ones are forgotten."""

ERROR_CHARACTERS: Final = 200
"""The longest error of an attempt in the history. The record of the task keeps the last one at its full length."""

CRASHED: Final = "the executor's lease ended before the attempt did"


@dataclass(frozen=True, kw_only=True, slots=True)
class PastAttempt:
    """An attempt that has ended."""

    attempt: int
    """Its number, from 1; a replay counts anew."""
    started_at: datetime | None
    finished_at: datetime | None
    """None: its executor has crashed, and has not said when."""
    response_code: int | None = None
    """HTTP status of the target's answer; None: there was none."""
    error: str | None = None
    """None: it went well."""


History = tuple[PastAttempt, ...]
"""Attempts, the oldest first."""


def extended(history: History, attempt: PastAttempt) -> History:
    """The history with one more attempt; it stays as short as a record needs it to be."""
    error = attempt.error
    if error is not None:
        # A target's answer can have half a surrogate pair, which no store takes.
        error = error.encode("utf-8", "replace").decode("utf-8")
        attempt = replace(
            attempt, error=error if len(error) <= ERROR_CHARACTERS else f"{error[: ERROR_CHARACTERS - 1]}…"
        )
    return (*history, attempt)[-MOST:]


def to_text(history: Iterable[PastAttempt]) -> str:
    """The history as a JSON text, without the names of members: a record is paid for by its size."""
    rows = [
        [past.attempt, _milliseconds(past.started_at), _milliseconds(past.finished_at), past.response_code, past.error]
        for past in history
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> History:
    """The history of that text."""
    return tuple(
        PastAttempt(
            attempt=attempt,
            started_at=_time(started),
            finished_at=_time(finished),
            response_code=response_code,
            error=error,
        )
        for attempt, started, finished, response_code, error in json.loads(text)
    )


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
