"""Log lines: whatever a client has chosen, one record is one line."""

import json
import logging
from typing import Any

import pytest

from bridge.logs import JsonLines
from local.emulator import log_lines
from task_service.entrypoints.telemetry import logger

HOSTILE = [
    "a\u2028{}",
    "a\u2029b",
    "a\u0085b",
    "a\nb\rc\r\nd",
    "a\x0bb\x0cc",
    "a\x1c\x1d\x1eb",
    "\ud800",
    'a", "level": "ERROR',
    "ünïcode 😀",
]
FORMATTERS: dict[str, Any] = {"functions": logger.registered_formatter, "bridge": JsonLines()}


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("task", logging.INFO, __file__, 1, text, None, None)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("writer", FORMATTERS)
def test_a_record_is_one_line_of_ascii(writer: str, text: str) -> None:
    line = FORMATTERS[writer].format(logging.makeLogRecord(vars(record(text)) | {"event_id": text, "task": [text]}))
    assert line.isascii()
    assert line.splitlines() == [line]
    fields = json.loads(line)
    assert (fields["message"], fields["event_id"], fields["task"]) == (text, text, [text])


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\n" not in text])
def test_what_a_function_prints_in_one_line_is_one_line_of_its_log(text: str) -> None:
    (line,) = log_lines("stack-ApiFunction-0123456789ABCDEF", f"{text}\n").splitlines()
    assert line.startswith("ApiFunction a") or line == f"ApiFunction {text}"


def test_what_a_function_prints_in_several_lines_is_headed_line_by_line() -> None:
    assert log_lines("f", "a\n\nb\n") == "f a\nf \nf b\n"
    assert log_lines("f", "a\u2028f b") == "f a\\u2028f b\n"
