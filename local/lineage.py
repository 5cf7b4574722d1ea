"""Lambda's detection of loops, for chains that go through SQS.

AWS (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html) counts in the X-Ray trace header how often
each function was invoked in a chain of requests. The SDK sends the header with every request, SQS keeps it with the
message as AWSTraceHeader, and Lambda reads it when the message invokes a function. After about 16 invocations of a
function, Lambda invokes it no more in that chain, unless its RecursiveLoop is Allow. A message that is not delivered
becomes visible again, and in the end SQS moves it to the dead-letter queue.

MiniStack has the rule for functions that invoke functions, but its SQS does not pass the header on.
"""

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Self
from urllib.parse import unquote

from ministack.services import lambda_svc, sqs  # type: ignore[import-untyped]

from local.patching import member, replace

TRACE_ATTRIBUTE: Final = "AWSTraceHeader"
_LINEAGE: Final = re.compile(r"(?:^|;)Lineage=([^;]*)")
_COUNT: Final = re.compile(r"([0-9a-f]{8}):([0-9]{1,6})")


@dataclass(frozen=True)
class Lineage:
    """How often each function was invoked in a chain of requests."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """By a hash of the function's name."""

    @classmethod
    def read(cls, headers: Iterable[str]) -> Self:
        """The lineage in trace headers; for several chains, the longest of each function."""
        counts: dict[str, int] = {}
        for header in headers:
            found = _LINEAGE.search(unquote(header))
            for function, count in _COUNT.findall(found[1]) if found else ():
                counts[function] = max(counts.get(function, 0), int(count))
        return cls(counts)

    def rounds(self, function: str) -> int:
        """How often the function was invoked."""
        return self.counts.get(_hash(function), 0)

    def with_another(self, function: str) -> "Lineage":
        """The lineage after another invocation of the function."""
        return Lineage({**self.counts, _hash(function): self.rounds(function) + 1})

    def header(self) -> str:
        """A trace header with this lineage."""
        root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        counts = ",".join(f"{function}:{count}" for function, count in self.counts.items())
        return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0;Lineage={counts}"


def end_loops() -> None:
    """Make MiniStack count invocations through SQS, and end chains that AWS would end."""
    invoking: ContextVar[Lineage | None] = ContextVar("invoking", default=None)
    """The lineage of the batch that this thread hands to a function."""
    sending: ContextVar[str] = ContextVar("sending", default="")
    """The trace header of the SQS request that is being answered."""
    run_batch = member(lambda_svc, "_run_sqs_batch")
    is_dropped = member(lambda_svc, "_recursive_loop_drop")
    handle_request = member(sqs, "handle_request")
    system_attributes = member(sqs, "_build_send_sys_attrs")

    def run_batch_in_lineage(
        mapping: Any, function: Any, event: Any, batch: list[Any], queue_url: str, queue_name: str
    ) -> None:
        name = mapping["FunctionName"]
        headers = {record["messageId"]: record["attributes"].get(TRACE_ATTRIBUTE, "") for record in event["Records"]}
        dropped = {
            message_id
            for message_id, header in headers.items()
            if is_dropped(name, function, Lineage.read([header]).rounds(name) + 1)
        }
        records = [record for record in event["Records"] if record["messageId"] not in dropped]
        if not records:
            # The messages stay in flight until their visibility timeout ends.
            return
        lineage = Lineage.read(header for message_id, header in headers.items() if message_id not in dropped)
        invoking.set(lineage.with_another(name))
        kept = [message for message in batch if message["id"] not in dropped]
        run_batch(mapping, function, {"Records": records}, kept, queue_url, queue_name)

    def trace_header(config: Any, inbound: str | None = None) -> str:
        lineage = invoking.get() or Lineage().with_another(config["FunctionName"])
        return inbound or lineage.header()

    async def handle_request_with_trace(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Any:
        sending.set(headers.get("x-amzn-trace-id", ""))
        return await handle_request(method, path, headers, body, query)

    def system_attributes_with_trace(now: float, given: Any) -> dict[str, str]:
        attributes: dict[str, str] = system_attributes(now, given)
        if header := sending.get():
            attributes.setdefault(TRACE_ATTRIBUTE, unquote(header))
        return attributes

    replace(lambda_svc, "_run_sqs_batch", run_batch_in_lineage)
    replace(lambda_svc, "_xray_trace_id_for_invocation", trace_header)
    replace(sqs, "handle_request", handle_request_with_trace)
    replace(sqs, "_build_send_sys_attrs", system_attributes_with_trace)


def _hash(function: str) -> str:
    return sha256(function.encode()).hexdigest()[:8]
