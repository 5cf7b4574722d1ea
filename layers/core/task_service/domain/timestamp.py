"""Times as the API writes them."""

from datetime import datetime


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds; None of a time that is not known."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
