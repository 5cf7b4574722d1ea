"""Log lines: whatever a client has chosen, one record is one line."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from bridge.logs import JsonLines
from local.emulator import log_lines
from task_service.entrypoints.telemetry import lines, logger, metrics, observed
from tests.unit.test_guard import ISSUED_BY, guarded

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


# ---- metrics ride on the last line of an invocation


class Said(io.StringIO):
    """What a function has written."""

    def __call__(self) -> list[Any]:
        """The lines since the last call, as JSON."""
        written = self.getvalue()
        self.seek(0)
        self.truncate()
        return [json.loads(line) for line in written.splitlines()]

    def after(self, work: Callable[[], None], request_id: str = "r") -> list[Any]:
        """The lines of an invocation that does this."""

        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            work()
            return {}

        with redirect_stdout(self):
            observed(handler)({}, SimpleNamespace(aws_request_id=request_id))
        return self()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What is written, at level INFO."""
    said = Said()
    monkeypatch.setattr(lines, "stream", said)
    monkeypatch.setattr(metrics.provider, "namespace", "Test")
    monkeypatch.setattr(metrics.provider, "service", "task")
    metrics.clear_metrics()
    level = logger.log_level
    logger.setLevel(logging.INFO)
    yield said
    logger.setLevel(level)
    metrics.clear_metrics()


def count(name: str = "Created") -> None:
    metrics.add_metric(name, MetricUnit.Count, 1)


def metrics_of(line: Any) -> list[str]:
    """The names of the metrics that a line carries as CloudWatch reads them."""
    if "_aws" not in line:
        return []
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"], line["service"]) == ("Test", [["service"]], "task")
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert all(line[name] for name in names)
    return names


def test_the_metrics_are_members_of_the_last_line(said: Said) -> None:
    def work() -> None:
        count()
        logger.info("first")
        logger.info("last", extra={"task_id": "t"})
        count("Retried")

    first, last = said.after(work)
    assert (first["message"], metrics_of(first)) == ("first", [])
    assert (last["message"], last["task_id"], last["request_id"]) == ("last", "t", "r")
    assert metrics_of(last) == ["Created", "Retried"]


def test_the_metrics_of_one_invocation_are_not_those_of_the_next(said: Said) -> None:
    def work() -> None:
        count()
        logger.info("counted")

    [counted] = said.after(work)
    [not_counted] = said.after(lambda: logger.info("not counted"), "s")

    assert metrics_of(counted) == ["Created"]
    assert (metrics_of(not_counted), not_counted["request_id"]) == ([], "s")


def test_without_a_line_the_metrics_have_one_of_their_own(said: Said) -> None:
    def work() -> None:
        count()
        logger.info("went well")

    logger.setLevel(logging.WARNING)
    [line] = said.after(work)
    assert metrics_of(line) == ["Created"]
    assert "message" not in line


def test_an_audit_line_is_written_at_every_level_and_carries_the_metrics(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, log = guarded(), logging.getLogger("task")
    caller = {"Authorization": f"Bearer {ISSUED_BY.token(sub='ada')}"}
    monkeypatch.setattr(log, "handlers", [lines])
    monkeypatch.setattr(log, "level", logging.ERROR)

    def work() -> None:
        world.ask("GET", "/v1/tasks", headers=caller)
        world.ask("POST", "/v1/task/greet", body="1", headers=caller)
        count()

    [line] = said.after(work)
    assert (line["audit"], line["sub"], metrics_of(line)) == ("created", "ada", ["Created"])


def test_an_invocation_that_fails_writes_its_lines_and_metrics(said: Said) -> None:
    def work() -> None:
        count()
        logger.info("before")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        said.after(work)

    [line] = said()
    assert (line["message"], metrics_of(line)) == ("before", ["Created"])


def test_trouble_is_told_at_once_and_in_order(said: Said) -> None:
    def work() -> None:
        logger.info("first")
        logger.error("trouble")
        assert [line["message"] for line in said()] == ["first", "trouble"]
        count()

    [line] = said.after(work)
    assert metrics_of(line) == ["Created"]


def test_the_lines_of_threads_are_all_written_and_one_has_the_metrics(said: Said) -> None:
    def work() -> None:
        count()
        with ThreadPoolExecutor(10) as threads:
            list(threads.map(lambda number: logger.info("ran", extra={"number": number}), range(50)))

    written = said.after(work)
    assert sorted(line["number"] for line in written) == list(range(50))
    assert [metrics_of(line) for line in written] == [[]] * 49 + [["Created"]]


def test_outside_of_an_invocation_a_line_is_written_at_once(said: Said) -> None:
    logger.info("starting")
    assert [line["message"] for line in said()] == ["starting"]
