"""Trace context (https://www.w3.org/TR/trace-context-2/): the trace that a task or a list belongs to.

The creation brings the trace. Every call that is made for the task goes out in the same trace, with a span id of its
own. The trace that a thread works in is kept in a context variable, so that all its calls and log lines have it.
"""

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

MAX_MEMBERS: Final = 32
"""The most members of a tracestate; one with more is dropped (3.3.1.1)."""

MAX_STATE: Final = 512
"""The most characters of a tracestate that are kept (3.3.1.5)."""

_LONG_MEMBER: Final = 128
"""Of a tracestate that is too long, members with more characters go first (3.3.1.5)."""

_TRACEPARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_SAMPLED: Final = 0x01
_RANDOM: Final = 0x02
"""The flag of an id whose last 7 bytes are random (level 2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A trace, as a creation has brought it."""

    id: str
    """32 hexadecimal digits."""
    parent: str
    """Span id of the call that created the task: 16 hexadecimal digits."""
    flags: int
    """Those flags that this service passes on: sampled, and random."""
    state: str = ""
    """The values that tracing systems pass on (tracestate)."""

    @classmethod
    def of(cls, traceparent: str | None, tracestate: str | None = None) -> "Trace | None":
        """The trace of two headers; None: there is none, or it is not valid, which is the same (3.2.2)."""
        match = _TRACEPARENT.fullmatch((traceparent or "").strip(" \t"))
        if match is None:
            return None
        version, trace_id, parent, flags, more = match.groups()
        # A later version has the same four fields, perhaps more, and only one flag that is known (4.3).
        is_ours = version == "00"
        if (is_ours and more) or not trace_id.strip("0") or not parent.strip("0"):
            return None
        known = _SAMPLED | _RANDOM if is_ours else _SAMPLED
        return cls(id=trace_id, parent=parent, flags=int(flags, 16) & known, state=_state(tracestate or ""))

    @classmethod
    def new(cls) -> "Trace":
        """A trace that begins here. It is sampled: a deployment that starts traces wants to see them."""
        return cls(id=os.urandom(16).hex(), parent=_span_id(), flags=_SAMPLED | _RANDOM)

    @property
    def traceparent(self) -> str:
        """The trace as it came in, in the form of version 00."""
        return f"00-{self.id}-{self.parent}-{self.flags:02x}"

    def headers(self) -> dict[str, str]:
        """The headers of one call in this trace, with a new span id."""
        traceparent = f"00-{self.id}-{_span_id()}-{self.flags:02x}"
        return {"traceparent": traceparent, **({"tracestate": self.state} if self.state else {})}


# -- the trace that a thread works in

_current: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)


def work_in(trace: Trace | None) -> None:
    """From now on this thread works in that trace; None: in none."""
    _current.set(trace)


def current_trace() -> Trace | None:
    """The trace that this thread works in."""
    return _current.get()


def trace_headers() -> dict[str, str]:
    """The headers of one call that this thread makes; empty where it works in no trace."""
    trace = _current.get()
    return trace.headers() if trace is not None else {}


def _span_id() -> str:
    return os.urandom(8).hex()


def _state(tracestate: str) -> str:
    """A tracestate as it is passed on; empty where it is not valid, which leaves the traceparent as it is (3.3.1)."""
    members = [member for part in tracestate.split(",") if (member := part.strip(" \t"))]
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in matches if match is not None}
    if len(keys) < len(members) or len(members) > MAX_MEMBERS:
        return ""
    if len(",".join(members)) > MAX_STATE:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while len(",".join(members)) > MAX_STATE:
        members.pop()
    return ",".join(members)
