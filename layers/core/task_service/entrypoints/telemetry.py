"""Logs and metrics of a function.

The last line that an invocation writes carries its metrics (CloudWatch's embedded metric format), because a line of
their own would be half of what a task logs. Without such a line, as with LOG_LEVEL=WARNING, they get their own.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics

from task_service.domain.trace import current_trace, work_in

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Lines(logging.StreamHandler[Any]):
    """Writes log lines, and holds the last one of an invocation back until its metrics are known.

    Lines about trouble are written at once, so that a function that is killed has told of it.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._held: logging.LogRecord | None = None
        self._is_holding = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line that was held back, and write this one or hold it back, with the trace that it is about."""
        self._write_held()
        if (trace := current_trace()) is not None:
            vars(record).setdefault("trace_id", trace.id)
        if self._is_holding and record.levelno <= logging.INFO:
            self._held = record
        else:
            super().emit(record)

    def hold(self) -> None:
        """Hold lines back from now on."""
        self._is_holding = True

    def finish(self, members: Callable[[], Mapping[str, Any]]) -> None:
        """Write the line that is held back, with these members too; from now on write each line at once."""
        self.acquire()
        try:
            self._is_holding = False
            if self._held is not None:
                vars(self._held).update(members())
            self._write_held()
        finally:
            self.release()

    def _write_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            super().emit(held)


lines: Final = Lines()


def _text(members: Mapping[str, Any]) -> str:
    """A log line as JSON, without what nothing reads: `action` says where it is from, and X-Ray is off.

    ASCII: characters at which some readers of a log begin a line (U+2028, U+0085) come from clients, in ids.
    """
    kept = {name: value for name, value in members.items() if name not in ("location", "xray_trace_id")}
    return json.dumps(kept, default=str, separators=(",", ":"))


# Lambda takes the time of a line, and with it the level, only from RFC 3339.
logger = Logger(logger_handler=lines, json_serializer=_text, use_rfc3339=True)
# Powertools itself would prefer the level below which Lambda drops lines: INFO (LoggingConfig in template.yaml).
logging.getLogger(logger.name).setLevel(os.environ.get("LOG_LEVEL", "INFO").upper())
metrics = Metrics()


@contextmanager
def _observe(context: Any) -> Iterator[None]:
    """Observe an invocation of a process that has one at a time."""
    logger.append_keys(request_id=context.aws_request_id)
    lines.hold()
    try:
        yield
    finally:
        lines.finish(_taken_metrics)
        # Powertools warns of an invocation without metrics, which is nothing unusual here.
        if metrics.metric_set:
            metrics.flush_metrics()


observe: Callable[[Any], AbstractContextManager[None]] = _observe
"""Observes an invocation, given its context. A host whose threads run handlers side by side has its own."""


def observed(handler: Handler) -> Handler:
    """A Lambda handler whose log lines carry the request's id, and whose metrics are written when it returns."""

    @wraps(handler)
    def observed_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        # This thread has worked for other invocations before.
        work_in(None)
        with observe(context):
            return handler(event, context)

    return observed_handler


def _taken_metrics() -> Mapping[str, Any]:
    """The metrics as members of a log line."""
    if not metrics.metric_set:
        return {}
    taken = dict(metrics.serialize_metric_set())
    metrics.clear_metrics()
    return taken
