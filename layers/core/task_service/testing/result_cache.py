"""The cache service in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from task_service.domain.call import CallRefused
from task_service.ports import ResultCache


@dataclass
class InMemoryCache(ResultCache):
    """The cache service."""

    entries: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Text, namespace and scope by key."""
    writes: int = 0
    refuses: int = 0
    """So many writes are refused."""
    refusal: CallRefused = field(default_factory=lambda: CallRefused("the cache service answered 503", can_retry=True))
    during: Callable[[], None] = lambda: None
    """Happens while a write is under way."""

    def write(self, key: str, text: str, *, namespace: str, scope: str, deadline: datetime) -> None:
        self.during()
        if self.refuses:
            self.refuses -= 1
            raise self.refusal
        self.writes += 1
        self.entries[key] = (text, namespace, scope)
