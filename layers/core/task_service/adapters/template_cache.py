"""Templates remembered by a warm function for a short time, so that creating a task reads nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from task_service.ports import Clock, Templates

T = TypeVar("T")

MAX_ENTRIES: Final = 1_000


@dataclass(kw_only=True, eq=False, repr=False)
class TemplateCache(Generic[T]):
    """Reads templates through a memory of `keep` each. A template that does not exist is not remembered: it may
    be written the next moment, and its author expects to use it at once."""

    templates: Templates
    parse: Callable[[str], T]
    clock: Clock
    keep: timedelta
    _known: dict[str, tuple[datetime, T]] = field(default_factory=dict, init=False)

    def get(self, name: str) -> T | None:
        """The template of that name, at most `keep` old."""
        now = self.clock()
        known = self._known.get(name)
        if known is not None and now < known[0]:
            return known[1]
        stored = self.templates.get(name)
        if stored is None:
            self._known.pop(name, None)
            return None
        template = self.parse(stored.document)
        if len(self._known) >= MAX_ENTRIES:
            self._known.clear()
        self._known[name] = (now + self.keep, template)
        return template

    def forget(self, name: str) -> None:
        """Read that template anew next time."""
        self._known.pop(name, None)
