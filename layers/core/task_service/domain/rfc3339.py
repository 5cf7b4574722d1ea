"""Times as the API writes them (RFC 3339)."""

from datetime import datetime


def to_text(moment: datetime) -> str:
    """A time in UTC, with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
