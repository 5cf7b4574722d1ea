"""Orders of tasks and lists, from a client, an event or a failed task."""

from dataclasses import dataclass

from task_service.domain.context import NO_CONTEXT, Context
from task_service.domain.start import AT_ONCE, Start


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A task or a list that is to be created."""

    name: str
    """Name of its template."""
    payload: str
    """JSON text of its body."""
    cache_namespace: str = ""
    """Namespace of its result in the cache service; empty: that of its template."""
    cache_scope: str = ""
    """Scope of its result in the cache service; empty: that of its template."""
    start: Start = AT_ONCE
    """When it starts, and in whose turn."""
    context: Context = NO_CONTEXT
    """Where it comes from."""

    @property
    def identity(self) -> tuple[str, ...]:
        """The parts that make two orders different; not the context: a repeated request may come in another trace."""
        return self.name, self.payload, self.cache_namespace, self.cache_scope, *self.start.identity
