"""Where a task or a list comes from, and what goes with every call that is made for it."""

import json
from dataclasses import dataclass, replace

from task_service.domain.trace import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The origin of a task or a list."""

    trace: Trace | None = None
    """The trace in which it was created; None: in none."""
    created_by: str | None = None
    """Name of the caller who created it; None: it is not known: authentication is off, or an event created it."""

    is_notice: bool = False
    """Whether it tells of a task that has failed (`domain.notice`)."""

    def traced(self, *, starts: bool) -> "Context":
        """The same context, in a new trace if it has none and the deployment `starts` traces."""
        return replace(self, trace=Trace.new()) if starts and self.trace is None else self

    def to_text(self) -> str | None:
        """The context as JSON text; None: there is nothing in it."""
        members: dict[str, str | bool] = {}
        if self.trace is not None:
            members["traceparent"] = self.trace.traceparent
            if self.trace.state:
                members["tracestate"] = self.trace.state
        if self.created_by is not None:
            members["createdBy"] = self.created_by
        if self.is_notice:
            members["isNotice"] = True
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")) if members else None

    @classmethod
    def from_text(cls, text: str | None) -> "Context":
        """The context of a stored text."""
        if text is None:
            return NO_CONTEXT
        members = json.loads(text)
        trace = Trace.of(members.get("traceparent"), members.get("tracestate"))
        is_notice = members.get("isNotice", False)
        return cls(trace=trace, created_by=members.get("createdBy"), is_notice=is_notice)


NO_CONTEXT = Context()
"""The context of a creation that says nothing."""
