"""Where a task or a list comes from, and what goes with every call that is made for it."""

import json
from dataclasses import dataclass, replace

from task_service.domain.trace import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What the creation of a task or a list says beside its name and its request."""

    trace: Trace | None = None
    """The trace in which it was created; None: in none."""

    def traced(self, *, starts: bool) -> "Context":
        """The same context, in a new trace if it has none and the deployment `starts` traces."""
        return replace(self, trace=Trace.new()) if starts and self.trace is None else self

    def to_text(self) -> str | None:
        """The context as JSON text; None: there is nothing in it."""
        members: dict[str, str] = {}
        if self.trace is not None:
            members["traceparent"] = self.trace.traceparent
            if self.trace.state:
                members["tracestate"] = self.trace.state
        return json.dumps(members, separators=(",", ":")) if members else None

    @classmethod
    def from_text(cls, text: str | None) -> "Context":
        """The context of a stored text."""
        if text is None:
            return NO_CONTEXT
        members = json.loads(text)
        return cls(trace=Trace.of(members.get("traceparent"), members.get("tracestate")))


NO_CONTEXT = Context()
"""The context of a creation that says nothing."""
